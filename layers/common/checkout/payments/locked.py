"""What the decision about an event needs, read and locked in one round trip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkout.base.postgres import Transaction
from checkout.payments import reversals_table, table
from checkout.payments.outcomes import Outcome
from checkout.payments.payment import Payment
from checkout.payments.reversal_event import ReversalReport
from checkout.payments.reversals_table import StoredReversal, stored_reversal
from checkout.payments.session_event import SessionReport

Report = SessionReport | ReversalReport
Reading = Report | Outcome
"""What an event says, or what becomes of it without a look at its payment."""


@dataclass(frozen=True, slots=True)
class Locked:
    """As of a moment at which all locks were held. `payments` are those that the report may be about,
    `reversals` those of its payment intent and those with an effect key that it names."""

    now: datetime
    """The transaction's, as PostgreSQL's now()."""

    is_new: bool
    """True if this has stored the event."""

    payments: Sequence[Payment]
    reversals: Sequence[StoredReversal]
    discarded: Mapping[str, str]
    """Refunds and disputes that an operator has discarded, and the event that each was discarded with."""

    def of_request(self, request_id: str) -> Payment | None:
        return next((one for one in self.payments if one.request_id == request_id), None)

    def of_session(self, session_id: str) -> Payment | None:
        return next((one for one in self.payments if one.stripe_session_id == session_id), None)


_READ = (
    "SELECT now() AS read_at, {more}, payment.*"
    f" FROM (SELECT) AS always LEFT JOIN (SELECT {table.COLUMNS} FROM checkout_transactions"
    "  WHERE {payments} FOR UPDATE) AS payment ON true"
)
_STORING = b"WITH stored AS (%s RETURNING 1) SELECT EXISTS(SELECT FROM stored) AS is_new, "
_OF_SESSION = _READ.format(
    payments="request_id = %(request_id)s OR stripe_session_id = %(session_id)s ORDER BY id",
    more="EXISTS(SELECT FROM reversals WHERE payment_intent_id = %(payment_intent_id)s) AS is_reversed",
)
_OF_REVERSALS = _READ.format(
    payments="payment_intent_id = %(payment_intent_id)s ORDER BY id LIMIT 1",
    more=f"(SELECT json_agg(r) FROM (SELECT {reversals_table.COLUMNS} FROM reversals"
    "   WHERE payment_intent_id = %(payment_intent_id)s OR effect_key = ANY(%(effect_keys)s)"
    f"   ORDER BY {reversals_table.IN_ORDER}) AS r) AS reversals,"
    " (SELECT json_object_agg(object_id, event_id) FROM discarded_reversals"
    "   WHERE object_id = ANY(%(objects)s)) AS discarded",
)


def read(tx: Transaction, report: Report, insert: bytes | None = None) -> Locked:
    """`insert` stores the event. The locks on the payment intents are queued already, so this sees all that
    was committed while they were waited for. A payment's row that is waited for is read as it is afterwards.
    """
    given: dict[str, Any] = {"payment_intent_id": report.payment_intent_id}
    if isinstance(report, SessionReport):
        sql = _OF_SESSION
        given |= {"request_id": report.request_id, "session_id": report.session_id}
    else:
        sql = _OF_REVERSALS
        given["effect_keys"] = [key for one in report.objects for key in one.effect_keys]
        given["objects"] = [one.object_id for one in report.objects]
    statement = tx.mogrify(sql, given)
    tx.execute(statement if insert is None else _STORING % insert + statement.removeprefix(b"SELECT "))
    rows = tx.fetchall()
    first = rows[0]
    payments = [table.payment({name: row[name] for name in Payment.__slots__}) for row in rows if row["id"]]
    stored: Sequence[StoredReversal] = [stored_reversal(one) for one in first.get("reversals") or ()]
    if first.get("is_reversed") and report.payment_intent_id is not None:
        # So few payments are reversed before they are known to be paid that these are read separately.
        stored = reversals_table.of_payment_intent(tx, report.payment_intent_id)
    return Locked(
        now=first["read_at"],
        is_new=bool(first.get("is_new")),
        payments=payments,
        reversals=stored,
        discarded=first.get("discarded") or {},
    )
