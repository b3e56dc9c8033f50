"""SQL of stripe_events: every event that Stripe sent, and what became of it."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction
from checkout.payments.outcomes import Outcome
from checkout.payments.stripe_event import StripeEvent
from checkout.payments.stripe_object import payment_intent_of


class StoredEvent(NamedTuple):
    """What became of an event, and why. `app_id` is the application whose it is, if it was ignored for
    that."""

    outcome: str
    reason: str | None
    app_id: str | None
    age_seconds: float


_INSERT = (
    "INSERT INTO stripe_events"
    " (event_id, type, payload, payment_intent_id, outcome, reason, request_id, app_id)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (event_id) DO NOTHING"
)


def insert(tx: Transaction, event: StripeEvent, expected: Outcome) -> bytes:
    """The statement that stores it with the outcome that it has if nothing speaks against it. A parallel
    delivery of it waits there until this one commits."""
    return tx.mogrify(_INSERT, _values(event, expected))


def store(tx: Transaction, event: StripeEvent, outcome: Outcome) -> bool:
    """Return False if the event is known."""
    tx.execute(_INSERT, _values(event, outcome))
    return tx.rowcount == 1


def _values(event: StripeEvent, outcome: Outcome) -> tuple[str | None, ...]:
    return (
        *(event.id, event.type, event.payload, payment_intent_of(event.object)),
        *(outcome.stored_as, outcome.reason, outcome.request_id, outcome.app_id),
    )


def lock(tx: Transaction, event_id: str) -> StoredEvent:
    """What became of the stored event so far; held until the transaction ends."""
    tx.execute(
        "SELECT outcome, reason, app_id, EXTRACT(EPOCH FROM now() - received_at)::float AS age_seconds"
        " FROM stripe_events WHERE event_id = %s FOR UPDATE",
        (event_id,),
    )
    row = tx.fetchone()
    if row is None:
        raise InvariantBroken(f"event {event_id} vanished")
    return StoredEvent(**row)


def payload(tx: Transaction, event_id: str) -> str | None:
    """The event as it was received."""
    tx.execute("SELECT payload::text AS payload FROM stripe_events WHERE event_id = %s", (event_id,))
    row = tx.fetchone()
    return None if row is None else str(row["payload"])


def settle(tx: Transaction, event_id: str, outcome: Outcome) -> None:
    tx.queue(
        "UPDATE stripe_events SET outcome = %s, reason = %s, request_id = %s, app_id = %s, updated_at = now()"
        " WHERE event_id = %s",
        (outcome.stored_as, outcome.reason, outcome.request_id, outcome.app_id, event_id),
    )


def settle_waiting(tx: Transaction, payment_intent_id: str, reason: str, request_id: str) -> None:
    """What the events that wait for this reason waited for has happened."""
    tx.queue(
        "UPDATE stripe_events SET outcome = 'applied', reason = NULL, request_id = %s, updated_at = now()"
        " WHERE payment_intent_id = %s AND outcome = 'waiting' AND reason = %s",
        (request_id, payment_intent_id, reason),
    )


def put_last(tx: Transaction, event_id: str) -> None:
    """In the order in which events are retried. One that somebody holds keeps its place."""
    tx.queue(
        "UPDATE stripe_events SET updated_at = now() WHERE event_id IN"
        " (SELECT event_id FROM stripe_events WHERE event_id = %s FOR UPDATE SKIP LOCKED)",
        (event_id,),
    )


def known(tx: Transaction, event_ids: Collection[str]) -> set[str]:
    """Those of them that are stored."""
    tx.execute("SELECT event_id FROM stripe_events WHERE event_id = ANY(%s)", (list(event_ids),))
    return {row["event_id"] for row in tx.fetchall()}


def unsettled_of(tx: Transaction, payment_intent_id: str) -> list[tuple[str, str]]:
    """(event id, payload) of those of a payment intent that wait or are held."""
    tx.execute(
        "SELECT event_id, payload::text AS payload FROM stripe_events"
        " WHERE payment_intent_id = %s AND outcome IN ('waiting', 'held') ORDER BY event_id",
        (payment_intent_id,),
    )
    return [(row["event_id"], row["payload"]) for row in tx.fetchall()]


def to_retry(
    tx: Transaction, *, unhandled: str, handled_types: Collection[str], app_id: str, limit: int
) -> Sequence[str]:
    """Events that wait; those that an earlier release ignored with the reason `unhandled` and this one
    handles; and those that were ignored as another application's and are of `app_id`. The longest untouched
    first."""
    tx.execute(
        "SELECT event_id FROM stripe_events WHERE outcome = 'waiting'"
        " OR (outcome = 'ignored' AND reason = %s AND type = ANY(%s))"
        " OR (outcome = 'ignored' AND app_id = %s) ORDER BY updated_at LIMIT %s",
        (unhandled, list(handled_types), app_id, limit),
    )
    return [row["event_id"] for row in tx.fetchall()]
