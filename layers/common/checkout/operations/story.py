"""SQL that finds everything about one payment, or one user, in either database. It changes nothing."""

from collections.abc import Collection
from typing import Any

from checkout.base.postgres import Transaction

Row = dict[str, Any]

# ANY(ARRAY(SELECT …)), not IN (SELECT …): beside an OR only that is looked up in an index.

_TRANSACTION = (
    "request_id, user_id, status, amount_cents, currency, purpose, paid_cents, paid_currency, refunded_cents,"
    " disputed_cents, stripe_session_id, payment_intent_id, stripe_attempt, error_message, created_at,"
    " updated_at, completed_at, credited_at, recheck_at"
)
_ENTRY = (
    "effect_key, user_id, amount_cents, currency, kind, request_id, source_id, payment_intent_id, topic,"
    " partition, kafka_offset, reason, operator, created_at"
)
_ENTERED = "created_at, kafka_offset, id"
"""Entries of one batch have one time, and are not inserted in the order of their records."""

_PARKED = (
    "id, effect_key, user_id, amount_cents, currency, request_id, topic, partition, kafka_offset, reason,"
    " resolution, resolution_reason, operator, resolved_at, created_at"
)


def _rows(tx: Transaction) -> list[Row]:
    return tx.fetchall()


def payments(tx: Transaction, reference: str, user_id: int | None, newest: int) -> list[Row]:
    """By request_id, Stripe's session or payment intent; and the newest of the user."""
    tx.execute(
        f"SELECT {_TRANSACTION} FROM checkout_transactions"
        " WHERE request_id = lower(%(name)s) OR stripe_session_id = %(name)s OR payment_intent_id = %(name)s"
        "    OR id = ANY(ARRAY(SELECT id FROM checkout_transactions WHERE user_id = %(user)s"
        "                      ORDER BY id DESC LIMIT %(newest)s))"
        " ORDER BY id",
        {"name": reference, "user": user_id, "newest": newest},
    )
    return _rows(tx)


def events(
    tx: Transaction,
    request_ids: Collection[str],
    payment_intents: Collection[str],
    sessions: Collection[str],
) -> list[Row]:
    """Stripe's events. An unsettled one may name the session only in its payload, which is searched as text:
    Stripe may relay a NUL, at which PostgreSQL's JSON functions fail."""
    tx.execute(
        "SELECT event_id, type, outcome, reason, request_id, payment_intent_id, received_at, updated_at"
        " FROM stripe_events"
        " WHERE request_id = ANY(%(requests)s) OR payment_intent_id = ANY(%(intents)s)"
        "    OR (outcome IN ('waiting', 'held') AND EXISTS ("
        "        SELECT FROM unnest(%(sessions)s::text[]) AS session"
        "        WHERE position(session IN payload::text) > 0))",
        {
            "requests": list(request_ids),
            "intents": list(payment_intents),
            "sessions": list(sessions),
        },
    )
    return _rows(tx)


def reversals(tx: Transaction, payment_intents: Collection[str]) -> list[Row]:
    tx.execute(
        "SELECT effect_key, payment_intent_id, amount_cents, currency, state, event_id, emitted_at,"
        " credited_at, recheck_at, created_at FROM reversals WHERE payment_intent_id = ANY(%s)",
        (list(payment_intents),),
    )
    return _rows(tx)


def outbox(tx: Transaction, request_ids: Collection[str]) -> list[Row]:
    tx.execute(
        "SELECT effect_key, topic, key, created_at FROM outbox"
        " WHERE convert_from(value, 'UTF8')::json ->> 'request_id' = ANY(%s)",
        (list(request_ids),),
    )
    return _rows(tx)


def balance(tx: Transaction, user_ids: Collection[int]) -> list[Row]:
    tx.execute(
        "SELECT id AS user_id, balance AS balance_cents, (SELECT COALESCE(sum(amount_cents), 0)::bigint"
        " FROM ledger_entries WHERE user_id = users.id) AS ledger_cents"
        " FROM users WHERE id = ANY(%s) ORDER BY id",
        (list(user_ids),),
    )
    return _rows(tx)


def entries(tx: Transaction, effect_keys: Collection[str], user_id: int | None, newest: int) -> list[Row]:
    """Those of these keys, and the newest of the user."""
    tx.execute(
        f"SELECT {_ENTRY} FROM ledger_entries WHERE effect_key = ANY(%s)"
        "    OR id = ANY(ARRAY(SELECT id FROM ledger_entries WHERE user_id = %s ORDER BY id DESC LIMIT %s))"
        f" ORDER BY {_ENTERED}",
        (list(effect_keys), user_id, newest),
    )
    return _rows(tx)


def parked(
    tx: Transaction,
    request_ids: Collection[str],
    effect_keys: Collection[str],
    user_id: int | None,
    newest: int,
) -> list[Row]:
    """Those of these requests and keys, and the newest of the user."""
    tx.execute(
        f"SELECT {_PARKED} FROM parked_events WHERE request_id = ANY(%s) OR effect_key = ANY(%s)"
        "    OR id = ANY(ARRAY(SELECT id FROM parked_events WHERE user_id = %s ORDER BY id DESC LIMIT %s))",
        (list(request_ids), list(effect_keys), user_id, newest),
    )
    return _rows(tx)
