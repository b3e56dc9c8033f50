"""SQL that takes personal data out of what is settled; what is waiting, held or undecided is left alone."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId

SETTLED = "erased_at IS NULL AND outcome IN ('applied', 'ignored')"
UNSETTLED = "outcome IN ('waiting', 'held')"
_DECIDED = "erased_at IS NULL AND resolved_at IS NOT NULL"

Position = tuple[str, str]
"""The time at which an event was received, and its id."""

FIRST: Position = ("-infinity", "")


class NamedPayment(NamedTuple):
    id: int
    request_id: str
    stripe_session_id: str | None
    payment_intent_id: str | None


class SearchedEvent(NamedTuple):
    """`payload` is None if the event was applied, since its columns then name its payment."""

    received_at: str
    event_id: str
    request_id: str | None
    payment_intent_id: str | None
    payload: str | None

    @property
    def position(self) -> Position:
        return self.received_at, self.event_id


def _payloads(tx: Transaction) -> dict[str, str]:
    return {row["event_id"]: row["payload"] for row in tx.fetchall()}


def events_older_than(tx: Transaction, days: int, limit: int) -> dict[str, str]:
    """Settled events and their payloads, oldest first, locked; locked ones are left out."""
    tx.execute(
        f"SELECT event_id, payload::text AS payload FROM stripe_events WHERE {SETTLED}"
        "   AND received_at < now() - make_interval(days => %s)"
        " ORDER BY received_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (days, limit),
    )
    return _payloads(tx)


def payments_of(tx: Transaction, user_id: UserId, after_id: int, limit: int) -> list[NamedPayment]:
    """A page of this user's payments, oldest first."""
    rows = tx.tuples(
        "SELECT id, request_id, stripe_session_id, payment_intent_id FROM checkout_transactions"
        " WHERE user_id = %s AND id > %s ORDER BY id LIMIT %s",
        (user_id, after_id, limit),
    )
    return [NamedPayment(*row) for row in rows]


def settled_of(tx: Transaction, payments: Collection[NamedPayment]) -> list[str]:
    """Settled events whose columns name one of these payments. Others may name it in their payloads alone."""
    # No LIMIT: with one, PostgreSQL might read the whole table in the order of its key.
    rows = tx.tuples(
        f"SELECT event_id FROM stripe_events WHERE {SETTLED}"
        " AND (request_id = ANY(%s) OR payment_intent_id = ANY(%s))",
        (
            [one.request_id for one in payments],
            [one.payment_intent_id for one in payments if one.payment_intent_id is not None],
        ),
    )
    return sorted(event_id for (event_id,) in rows)


def events_after(tx: Transaction, which: str, after: Position, limit: int) -> list[SearchedEvent]:
    """A page of events that are SETTLED or UNSETTLED, in the order in which they were received: those that
    arrive meanwhile come last. SETTLED includes applied ones: if few were ignored, it would take long to find
    a page of those alone."""
    # Not `AS received_at`: ORDER BY would sort by the text, for which there is no index.
    rows = tx.tuples(
        "SELECT received_at::text AS written, event_id, request_id, payment_intent_id,"
        " CASE WHEN outcome <> 'applied' THEN payload::text END FROM stripe_events"
        f" WHERE {which} AND (received_at, event_id) > (%s::timestamptz, %s)"
        " ORDER BY received_at, event_id LIMIT %s",
        (*after, limit),
    )
    return [SearchedEvent(*row) for row in rows]


def settled(tx: Transaction, event_ids: Collection[str]) -> dict[str, str]:
    """The payloads, by id, of those events that are settled; their rows are locked."""
    tx.execute(
        "SELECT event_id, payload::text AS payload FROM stripe_events"
        f" WHERE {SETTLED} AND event_id = ANY(%s) ORDER BY event_id FOR UPDATE",
        (list(event_ids),),
    )
    return _payloads(tx)


def replace_payloads(tx: Transaction, payloads: Mapping[str, str]) -> None:
    """Store them by event id; the events count as erased from now on."""
    tx.execute_values(
        "UPDATE stripe_events SET payload = erased.payload::json, erased_at = now()"
        " FROM (VALUES %s) AS erased (event_id, payload) WHERE stripe_events.event_id = erased.event_id",
        list(payloads.items()),
    )


def erase_emails_older_than(tx: Transaction, days: int, limit: int) -> int:
    """Erase the emails of requests that failed so long ago; returns how many. All others have lost theirs.

    A pending one keeps it: its parameters may be sent again with the same idempotency key.
    """
    tx.execute(
        "UPDATE checkout_transactions SET stripe_parameters = stripe_parameters - 'customer_email'"
        " WHERE id IN (SELECT id FROM checkout_transactions"
        "   WHERE stripe_parameters ? 'customer_email' AND status <> 'session_pending'"
        "     AND updated_at < now() - make_interval(days => %s)"
        "   ORDER BY updated_at LIMIT %s FOR UPDATE SKIP LOCKED)",
        (days, limit),
    )
    return tx.rowcount


def erase_emails_of(tx: Transaction, user_id: UserId) -> list[str]:
    """Erase the emails of this user's requests that are not pending. Return the ids of those that keep it."""
    tx.execute(
        "UPDATE checkout_transactions SET stripe_parameters = stripe_parameters - 'customer_email'"
        " WHERE user_id = %s AND stripe_parameters ? 'customer_email' AND status <> 'session_pending'",
        (user_id,),
    )
    tx.execute(
        "SELECT request_id FROM checkout_transactions"
        " WHERE user_id = %s AND stripe_parameters ? 'customer_email' ORDER BY id",
        (user_id,),
    )
    return [row["request_id"] for row in tx.fetchall()]


def erase_parked_older_than(tx: Transaction, days: int, limit: int) -> int:
    """Erase the bytes of records that were decided so long ago; returns how many."""
    return _erase_parked(
        tx,
        f"SELECT id FROM parked_events WHERE {_DECIDED} AND resolved_at < now() - make_interval(days => %s)"
        " ORDER BY resolved_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (days, limit),
    )


def erase_parked_of(tx: Transaction, user_id: UserId) -> int:
    """Erase the bytes of this user's decided records; returns how many."""
    return _erase_parked(
        tx, f"SELECT id FROM parked_events WHERE {_DECIDED} AND user_id = %s FOR UPDATE", (user_id,)
    )


def _erase_parked(tx: Transaction, chosen: str, parameters: tuple[UserId, ...]) -> int:
    tx.execute(
        "UPDATE parked_events SET value_hash = sha256(value), value = '', key = NULL, erased_at = now()"
        f" WHERE id IN ({chosen})",
        parameters,
    )
    return tx.rowcount


def open_parked_of(tx: Transaction, user_id: UserId) -> list[int]:
    """Records of this user that nobody has decided about."""
    tx.execute(
        "SELECT id FROM parked_events WHERE resolved_at IS NULL AND user_id = %s ORDER BY id", (user_id,)
    )
    return [row["id"] for row in tx.fetchall()]
