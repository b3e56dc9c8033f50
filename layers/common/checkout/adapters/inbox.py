"""SQL of stripe_events: every event that Stripe sent, and what became of it."""

from checkout.adapters.postgres import Cursor


def store(cursor: Cursor, event_id: str, event_type: str, payload: str) -> bool:
    """False where the event is known. A parallel delivery of it waits here until this one commits."""
    cursor.execute(
        "INSERT INTO stripe_events (event_id, type, payload, outcome) VALUES (%s, %s, %s, 'waiting')"
        " ON CONFLICT (event_id) DO NOTHING",
        (event_id, event_type, payload),
    )
    return cursor.rowcount == 1


def settle(cursor: Cursor, event_id: str, outcome: str, reason: str | None, request_id: str | None) -> None:
    """`outcome` is applied, ignored, waiting or held."""
    cursor.execute(
        "UPDATE stripe_events SET outcome = %s, reason = %s, request_id = %s, updated_at = now()"
        " WHERE event_id = %s",
        (outcome, reason, request_id, event_id),
    )
