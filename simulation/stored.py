"""What the checkout database has: all that the rules of each commit need, in one round trip."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from simulation.databases import WorldDatabase

PAID_BY = "COALESCE(payment_intent_id, stripe_session_id)"
"""What the credit of a paid row belongs to; of a free one it is the session."""
OF_EVENT = "COALESCE(payment_intent_id, payload#>>'{data,object,id}')"
"""What an event is about: the same, of an event of a session."""

_SQL = (
    "SELECT 'outbox' AS kind, effect_key AS key, value, NULL AS state, NULL AS intent, NULL::bigint AS cents,"
    "  NULL::boolean AS is_credited, NULL AS session, NULL::int AS attempt, NULL::boolean AS is_refused"
    " FROM outbox"
    f" UNION ALL SELECT 'payment', request_id, NULL, status, {PAID_BY}, paid_cents,"
    "  credited_at IS NOT NULL, stripe_session_id, stripe_attempt,"
    "  status = 'session_failed' AND completed_at IS NOT NULL FROM checkout_transactions"
    " UNION ALL SELECT 'reversal', effect_key, NULL, state, payment_intent_id, credit_cents,"
    "  credited_at IS NOT NULL, NULL, NULL, NULL FROM reversals"
)
PAID = "payment_succeeded"


class StoredPayment(NamedTuple):
    """`is_refused` is true of a request whose answer is `failed` for good."""

    status: str
    session_id: str | None
    paid_cents: int | None
    attempt: int
    is_refused: bool


@dataclass(slots=True)
class Stored:
    """Payments by request_id, messages by effect key. `emitted` are the effect keys of what was stored
    together with its message, `credited` of what the reconciler compares no more, and `late` of reversals
    that wait although their payment has come."""

    outbox: dict[str, bytes] = field(default_factory=dict)
    payments: dict[str, StoredPayment] = field(default_factory=dict)
    emitted: set[str] = field(default_factory=set)
    credited: set[str] = field(default_factory=set)
    late: list[str] = field(default_factory=list)


def stored(checkout: WorldDatabase) -> Stored:
    found = Stored()
    reversals: list[dict[str, Any]] = []
    paid: set[str] = set()
    for row in checkout.rows(_SQL):
        if row["kind"] == "outbox":
            found.outbox[row["key"]] = bytes(row["value"])
        elif row["kind"] == "reversal":
            reversals.append(row)
        else:
            found.payments[row["key"]] = StoredPayment(
                row["state"], row["session"], row["cents"], row["attempt"], row["is_refused"]
            )
            if row["state"] == PAID:
                found.emitted.add(f"success:{row['key']}")
                paid.add(row["intent"] or "")
            if row["is_credited"]:
                found.credited.add(f"success:{row['key']}")
    for row in reversals:
        # A share of nothing is neither emitted nor entered.
        if row["cents"] != 0 and row["state"] == "emitted":
            found.emitted.add(row["key"])
        if row["cents"] != 0 and row["is_credited"]:
            found.credited.add(row["key"])
        if row["state"] == "waiting" and row["intent"] in paid:
            found.late.append(row["key"])
    return found
