"""SQL of `overview`: few rows of each table, found by an index however long it is. It changes nothing.

Rows of the last hours are read from the newest id back, since no table that money waits for has an index by
time: an index that only this would use would slow each payment down.
"""

from collections.abc import Collection
from typing import Any

from checkout.base.postgres import Transaction
from checkout.operations.attention import Depth
from checkout.outbox import probes
from checkout.outbox.effects import Effect, effect_of, success_key
from checkout.payments.table import CREDITED_CENTS, PAID_BY

Row = dict[str, Any]

_CREDIT = f"request_id, user_id, {CREDITED_CENTS} AS credited_cents, paid_currency, {PAID_BY} AS credited_for"


def credit(row: Row) -> Effect:
    """The credit that the ledger must have for a payment that has succeeded."""
    return effect_of(
        success_key(row["request_id"]),
        (row["user_id"], row["credited_cents"], row["paid_currency"]),
        request_id=row["request_id"],
        payment_intent_id=row["credited_for"],
    )


def payments_by_status(tx: Transaction, hours: int, most: int) -> dict[str, int]:
    """Those that were asked for in the last hours, among the newest `most` rows."""
    tx.execute(
        "SELECT status, count(*) AS payments FROM"
        " (SELECT status, created_at FROM checkout_transactions ORDER BY id DESC LIMIT %s) AS newest"
        " WHERE created_at >= now() - make_interval(hours => %s) GROUP BY status ORDER BY status",
        (most, hours),
    )
    return {row["status"]: row["payments"] for row in tx.fetchall()}


def entries_by_kind(tx: Transaction, hours: int, most: int) -> list[Row]:
    """Entries of the last hours, among the newest `most`: how many of each kind, and their sum."""
    tx.execute(
        "SELECT kind, count(*) AS entries, sum(amount_cents)::bigint AS amount_cents FROM"
        " (SELECT kind, amount_cents, created_at FROM ledger_entries ORDER BY id DESC LIMIT %s) AS newest"
        " WHERE created_at >= now() - make_interval(hours => %s) GROUP BY kind ORDER BY kind",
        (most, hours),
    )
    return tx.fetchall()


def newest_credits(tx: Transaction, hours: int, most: int) -> list[Row]:
    """The newest credits of payments, at most `most`: request_id and created_at."""
    tx.execute(
        "SELECT request_id, created_at FROM"
        " (SELECT kind, request_id, created_at FROM ledger_entries ORDER BY id DESC LIMIT %s) AS newest"
        " WHERE created_at >= now() - make_interval(hours => %s) AND kind = 'success'",
        (most, hours),
    )
    return tx.fetchall()


def paid_at(tx: Transaction, request_ids: Collection[str]) -> dict[str, Any]:
    """request_id → when its payment succeeded."""
    tx.execute(
        "SELECT request_id, completed_at FROM checkout_transactions"
        " WHERE request_id = ANY(%s) AND completed_at IS NOT NULL",
        (list(request_ids),),
    )
    return {row["request_id"]: row["completed_at"] for row in tx.fetchall()}


def outbox(tx: Transaction) -> Depth:
    return _depth(tx, "SELECT count(*) AS depth, min(created_at) AS oldest FROM outbox")


def unsettled_events(tx: Transaction, outcome: str) -> Depth:
    """`outcome` is held or waiting."""
    query = "SELECT count(*) AS depth, min(received_at) AS oldest FROM stripe_events"
    return _depth(tx, f"{query} WHERE outcome = %s AND outcome IN ('waiting', 'held')", outcome)


def parked(tx: Transaction) -> Depth:
    query = "SELECT count(*) AS depth, min(created_at) AS oldest FROM parked_events"
    return _depth(tx, f"{query} WHERE resolution IS NULL")


def not_seen_in_the_ledger(tx: Transaction, purpose: str, most: int) -> list[tuple[Effect, float]]:
    """At most `most` credits of payments that the reconciler has not seen yet, with their age in seconds."""
    tx.execute(
        f"SELECT {_CREDIT}, extract(epoch FROM now() - completed_at)::float AS seconds"
        " FROM checkout_transactions"
        " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s"
        " ORDER BY COALESCE(recheck_at, completed_at) LIMIT %s",
        (purpose, most),
    )
    return [(credit(row), row["seconds"]) for row in tx.fetchall()]


def newest_payments(tx: Transaction, most: int) -> list[Row]:
    """With the keys in the outbox and the unsettled events that name them. The probe of `triggers` is no
    payment."""
    tx.execute(
        f"SELECT {_CREDIT}, amount_cents, currency, purpose, status, error_message, created_at, completed_at,"
        "   refunded_cents, disputed_cents,"
        "   EXISTS (SELECT FROM outbox WHERE effect_key = 'success:' || t.request_id) AS in_outbox,"
        "   (SELECT outcome FROM stripe_events e WHERE e.request_id = t.request_id"
        "    AND outcome IN ('waiting', 'held') ORDER BY outcome LIMIT 1) AS unsettled"
        " FROM checkout_transactions t WHERE request_id <> %s ORDER BY id DESC LIMIT %s",
        (probes.REQUEST_ID, most),
    )
    return tx.fetchall()


def entered_at(tx: Transaction, effect_keys: Collection[str]) -> dict[str, Any]:
    """effect_key → when it was entered."""
    tx.execute(
        "SELECT effect_key, created_at FROM ledger_entries WHERE effect_key = ANY(%s)", (list(effect_keys),)
    )
    return {row["effect_key"]: row["created_at"] for row in tx.fetchall()}


def parked_among(tx: Transaction, effect_keys: Collection[str]) -> dict[str, str]:
    """effect_key → why it is parked; those that nobody has decided about."""
    tx.execute(
        "SELECT effect_key, reason FROM parked_events WHERE resolution IS NULL AND effect_key = ANY(%s)",
        (list(effect_keys),),
    )
    return {row["effect_key"]: row["reason"] for row in tx.fetchall()}


def _depth(tx: Transaction, query: str, *parameters: str) -> Depth:
    tx.execute(
        "SELECT depth, COALESCE(extract(epoch FROM clock_timestamp() - oldest), 0)::float AS seconds"
        f" FROM ({query}) AS queue",
        parameters,
    )
    row = tx.row()
    return row["depth"], max(0.0, row["seconds"])
