"""SQL of stripe_events: every event that Stripe sent, and what became of it."""

from collections.abc import Collection, Sequence
from typing import Any, cast

from checkout.adapters.postgres import Cursor
from checkout.errors import InvariantBroken


def store(
    cursor: Cursor, event_id: str, event_type: str, payload: str, payment_intent_id: str | None
) -> bool:
    """False where the event is known. A parallel delivery of it waits here until this one commits."""
    cursor.execute(
        "INSERT INTO stripe_events (event_id, type, payload, payment_intent_id, outcome)"
        " VALUES (%s, %s, %s, %s, 'waiting') ON CONFLICT (event_id) DO NOTHING",
        (event_id, event_type, payload, payment_intent_id),
    )
    return cursor.rowcount == 1


def lock(cursor: Cursor, event_id: str) -> tuple[str, str | None]:
    """What became of the stored event so far, and why; held until the transaction ends."""
    cursor.execute("SELECT outcome, reason FROM stripe_events WHERE event_id = %s FOR UPDATE", (event_id,))
    row = cast(dict[str, Any] | None, cursor.fetchone())
    if row is None:
        raise InvariantBroken(f"event {event_id} vanished")
    return row["outcome"], row["reason"]


def payload(cursor: Cursor, event_id: str) -> str | None:
    """The event as it was received."""
    cursor.execute("SELECT payload::text AS payload FROM stripe_events WHERE event_id = %s", (event_id,))
    row = cast(dict[str, Any] | None, cursor.fetchone())
    return None if row is None else str(row["payload"])


def settle(cursor: Cursor, event_id: str, outcome: str, reason: str | None, request_id: str | None) -> None:
    """`outcome` is applied, ignored, waiting or held."""
    cursor.execute(
        "UPDATE stripe_events SET outcome = %s, reason = %s, request_id = %s, updated_at = now()"
        " WHERE event_id = %s",
        (outcome, reason, request_id, event_id),
    )


def settle_waiting(cursor: Cursor, payment_intent_id: str, reason: str, request_id: str) -> None:
    """What the events that wait for this reason waited for has happened."""
    cursor.execute(
        "UPDATE stripe_events SET outcome = 'applied', reason = NULL, request_id = %s, updated_at = now()"
        " WHERE payment_intent_id = %s AND outcome = 'waiting' AND reason = %s",
        (request_id, payment_intent_id, reason),
    )


def put_last(cursor: Cursor, event_id: str) -> None:
    """Where events are tried again, after all others. One that somebody holds keeps its place."""
    cursor.execute(
        "UPDATE stripe_events SET updated_at = now() WHERE event_id IN"
        " (SELECT event_id FROM stripe_events WHERE event_id = %s FOR UPDATE SKIP LOCKED)",
        (event_id,),
    )


def known(cursor: Cursor, event_ids: Collection[str]) -> set[str]:
    """Those of them that are stored."""
    cursor.execute("SELECT event_id FROM stripe_events WHERE event_id = ANY(%s)", (list(event_ids),))
    return {row["event_id"] for row in cast(list[dict[str, Any]], cursor.fetchall())}


def to_try_again(
    cursor: Cursor, *, unhandled: str, handled_types: Collection[str], limit: int
) -> Sequence[str]:
    """Events that wait, and those that an earlier release ignored with the reason `unhandled` and this one
    handles; the longest untouched first."""
    cursor.execute(
        "SELECT event_id FROM stripe_events WHERE outcome = 'waiting'"
        " OR (outcome = 'ignored' AND reason = %s AND type = ANY(%s)) ORDER BY updated_at LIMIT %s",
        (unhandled, list(handled_types), limit),
    )
    return [row["event_id"] for row in cast(list[dict[str, Any]], cursor.fetchall())]
