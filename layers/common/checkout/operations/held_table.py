"""SQL of stripe_events for operators: what is held or waiting, and what is decided about it."""

from dataclasses import dataclass
from datetime import datetime

from checkout.base.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvent:
    """A row of stripe_events without its payload."""

    event_id: str
    type: str
    outcome: str
    reason: str | None
    request_id: str | None
    payment_intent_id: str | None
    received_at: datetime
    updated_at: datetime


_COLUMNS = ", ".join(HeldEvent.__slots__)


def page(tx: Transaction, *, after: str, limit: int, waiting: bool) -> list[HeldEvent]:
    """Held events in the order of their ids; with `waiting` also those that wait."""
    tx.execute(
        f"SELECT {_COLUMNS} FROM stripe_events WHERE outcome = ANY(%s) AND event_id > %s"
        " ORDER BY event_id LIMIT %s",
        (["held", "waiting"] if waiting else ["held"], after, limit),
    )
    return [HeldEvent(**row) for row in tx.fetchall()]


def held_after(tx: Transaction, event_id: str) -> int:
    """The number of held events after this one."""
    tx.execute(
        "SELECT count(*) AS number FROM stripe_events WHERE outcome = 'held' AND event_id > %s", (event_id,)
    )
    return int(tx.row()["number"])


def find(tx: Transaction, event_id: str) -> tuple[HeldEvent, str] | None:
    """Any event and its payload."""
    tx.execute(
        f"SELECT {_COLUMNS}, payload::text AS payload FROM stripe_events WHERE event_id = %s", (event_id,)
    )
    row = tx.fetchone()
    if row is None:
        return None
    payload = str(row.pop("payload"))
    return HeldEvent(**row), payload


def discard(tx: Transaction, event_id: str, decision: str) -> bool:
    """Ignore it from now on; the reason keeps the one it was held for. Returns False if it is settled."""
    tx.execute(
        "UPDATE stripe_events SET outcome = 'ignored', updated_at = now(),"
        " reason = %s || COALESCE(' (it was ' || outcome || ': ' || reason || ')', '')"
        " WHERE event_id = %s AND outcome IN ('held', 'waiting')",
        (decision, event_id),
    )
    return tx.rowcount == 1
