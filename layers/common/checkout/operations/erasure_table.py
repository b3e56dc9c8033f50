"""SQL that takes personal data out of what is settled; what is waiting, held or undecided is left alone."""

from collections.abc import Mapping, Sequence

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId

_SETTLED = "erased_at IS NULL AND outcome IN ('applied', 'ignored')"
_DECIDED = "erased_at IS NULL AND resolved_at IS NOT NULL"
_OF_USER = (
    "(request_id IN (SELECT request_id FROM checkout_transactions WHERE user_id = %(user)s)"
    " OR payment_intent_id IN (SELECT payment_intent_id FROM checkout_transactions WHERE user_id = %(user)s)"
    " OR (outcome <> 'applied' AND EXISTS ("
    # OFFSET 0, so that a payload is read once and not for each name.
    """     SELECT FROM (SELECT replace(payload::text, '": "', '":"') AS written OFFSET 0) AS content,"""
    "         unnest(%(names)s::text[]) AS name WHERE position(name IN written) > 0)))"
)


def _payloads(tx: Transaction) -> dict[str, str]:
    return {row["event_id"]: row["payload"] for row in tx.fetchall()}


def events_older_than(tx: Transaction, days: int, limit: int) -> dict[str, str]:
    """Settled events and their payloads, oldest first, locked; locked ones are left out."""
    tx.execute(
        f"SELECT event_id, payload::text AS payload FROM stripe_events WHERE {_SETTLED}"
        "   AND received_at < now() - make_interval(days => %s)"
        " ORDER BY received_at LIMIT %s FOR UPDATE SKIP LOCKED",
        (days, limit),
    )
    return _payloads(tx)


def names_of(tx: Transaction, user_id: UserId) -> list[str]:
    """The names of this user's payments in payloads, as JSON without spaces.

    An event that was not applied may name its payment nowhere else. It is searched as text: PostgreSQL's JSON
    functions fail at a NUL, which Stripe may relay.
    """
    tx.execute(
        "SELECT '\"request_id\":' || to_json(request_id) AS name FROM checkout_transactions"
        " WHERE user_id = %(user)s"
        " UNION SELECT to_json(stripe_session_id)::text FROM checkout_transactions"
        " WHERE user_id = %(user)s AND stripe_session_id IS NOT NULL"
        " UNION SELECT to_json(payment_intent_id)::text FROM checkout_transactions"
        " WHERE user_id = %(user)s AND payment_intent_id IS NOT NULL",
        {"user": user_id},
    )
    return [row["name"] for row in tx.fetchall()]


def events_of(tx: Transaction, user_id: UserId, names: Sequence[str], limit: int) -> dict[str, str]:
    """Settled events about this user's payments and their payloads, locked; `names` from `names_of`."""
    tx.execute(
        f"SELECT event_id, payload::text AS payload FROM stripe_events WHERE {_SETTLED} AND {_OF_USER}"
        " ORDER BY event_id LIMIT %(limit)s FOR UPDATE",
        {"user": user_id, "names": list(names), "limit": limit},
    )
    return _payloads(tx)


def replace_payloads(tx: Transaction, payloads: Mapping[str, str]) -> None:
    """Store them by event id; the events count as erased from now on."""
    tx.execute_values(
        "UPDATE stripe_events SET payload = erased.payload::json, erased_at = now()"
        " FROM (VALUES %s) AS erased (event_id, payload) WHERE stripe_events.event_id = erased.event_id",
        list(payloads.items()),
    )


def unsettled_of(tx: Transaction, user_id: UserId, names: Sequence[str]) -> list[str]:
    """Events about this user's payments that are still to be applied; `names` from `names_of`."""
    tx.execute(
        "SELECT event_id FROM stripe_events WHERE outcome IN ('waiting', 'held')"
        f" AND {_OF_USER} ORDER BY event_id",
        {"user": user_id, "names": list(names)},
    )
    return [row["event_id"] for row in tx.fetchall()]


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


def erase_emails_of(tx: Transaction, user_id: UserId) -> None:
    """Erase the emails of this user's requests that are not pending."""
    tx.execute(
        "UPDATE checkout_transactions SET stripe_parameters = stripe_parameters - 'customer_email'"
        " WHERE user_id = %s AND stripe_parameters ? 'customer_email' AND status <> 'session_pending'",
        (user_id,),
    )


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
