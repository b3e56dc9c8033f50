"""SQL of checkout_transactions that only creating a session needs."""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extras import Json

from checkout.base.postgres import Transaction
from checkout.payments.payment import OPEN, WITHOUT_PAYMENT, Payment, Status
from checkout.payments.table import existing


def lock_user(tx: Transaction, user_id: int) -> None:
    """Makes one user's new requests follow one another, so that none overtakes a limit."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout user {user_id}",))


def open_since(tx: Transaction, user_id: int, seconds: int) -> tuple[int, float]:
    """How many of the user's requests of the last `seconds` are open, and in how many seconds the oldest will
    be older than that."""
    tx.execute(
        "SELECT count(*) AS open,"
        " COALESCE(EXTRACT(EPOCH FROM min(created_at) - now()) + %s, 0)::float AS free_in"
        " FROM checkout_transactions"
        " WHERE user_id = %s AND status = ANY(%s) AND created_at > now() - make_interval(secs => %s)",
        (seconds, user_id, list(OPEN), seconds),
    )
    row = tx.row()
    return row["open"], row["free_in"]


class Day(NamedTuple):
    """What a user has begun to pay in the current UTC day."""

    payments: int
    amount_cents: int
    now: datetime
    ends_at: datetime


def day_of_user(tx: Transaction, user_id: int) -> Day:
    """Counts the payments of today that did not fail or expire: what was paid, or is still asked for."""
    tx.execute(
        "SELECT count(*) AS payments, COALESCE(sum(COALESCE(paid_cents, amount_cents)), 0) AS amount_cents,"
        " now() AS now, date_trunc('day', now(), 'UTC') + interval '24 hours' AS ends_at"
        " FROM checkout_transactions"
        " WHERE user_id = %s AND status <> ALL(%s) AND created_at >= date_trunc('day', now(), 'UTC')",
        (user_id, list(WITHOUT_PAYMENT)),
    )
    row = tx.row()
    return Day(row["payments"], int(row["amount_cents"]), row["now"], row["ends_at"])


def insert_pending(
    tx: Transaction,
    *,
    request_id: str,
    user_id: int,
    amount_cents: int,
    currency: str,
    purpose: str,
    stripe_parameters: dict[str, Any],
) -> Payment:
    """The row that exists before Stripe is asked; the one that is there already, if another was faster."""
    tx.execute(
        "INSERT INTO checkout_transactions"
        " (request_id, user_id, amount_cents, currency, purpose, status, metadata, stripe_parameters)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (request_id) DO NOTHING",
        (
            request_id,
            user_id,
            amount_cents,
            currency,
            purpose,
            Status.SESSION_PENDING,
            Json(stripe_parameters["metadata"]),
            Json(stripe_parameters),
        ),
    )
    return existing(tx, request_id)


def session_created(
    tx: Transaction,
    request_id: str,
    *,
    session_id: str,
    url: str | None,
    expires_at: datetime | None,
) -> Payment:
    """Stores the session, unless one is stored or the request was refused for good; a state that is further
    on already stays. The customer's email goes: the parameters are not sent again."""
    tx.execute(
        "UPDATE checkout_transactions SET stripe_session_id = %s, stripe_session_url = %s, expires_at = %s,"
        " status = CASE WHEN status = ANY(%s) THEN %s ELSE status END,"
        " error_message = NULL, stripe_parameters = stripe_parameters - 'customer_email', updated_at = now()"
        " WHERE request_id = %s AND (stripe_session_id IS NULL OR stripe_session_id = %s)"
        "   AND NOT (status = %s AND completed_at IS NOT NULL)",
        (
            session_id,
            url,
            expires_at,
            [Status.SESSION_PENDING, Status.SESSION_FAILED],
            Status.SESSION_CREATED,
            request_id,
            session_id,
            Status.SESSION_FAILED,
        ),
    )
    return existing(tx, request_id)


def session_failed(
    tx: Transaction,
    request_id: str,
    *,
    attempt: int,
    error_message: str,
    next_attempt: int,
    for_good: bool,
) -> None:
    """Records that an attempt failed, unless another attempt, a refusal or an event has moved the row.

    `for_good` refuses the request: there will be no other attempt. The customer's email goes as soon as the
    parameters are not sent with this idempotency key again.
    """
    tx.execute(
        "UPDATE checkout_transactions"
        " SET status = %s, error_message = %s, stripe_attempt = %s, updated_at = now(),"
        " completed_at = CASE WHEN %s THEN now() END,"
        " stripe_parameters = stripe_parameters - CASE WHEN %s THEN 'customer_email' ELSE '' END"
        " WHERE request_id = %s AND stripe_attempt = %s AND stripe_session_id IS NULL AND status = ANY(%s)"
        "   AND completed_at IS NULL",
        (
            Status.SESSION_FAILED,
            error_message,
            next_attempt,
            for_good,
            for_good or next_attempt != attempt,
            request_id,
            attempt,
            [Status.SESSION_PENDING, Status.SESSION_FAILED],
        ),
    )


def refuse(
    tx: Transaction,
    *,
    request_id: str,
    user_id: int,
    amount_cents: int,
    currency: str,
    purpose: str,
    error_message: str,
) -> Payment:
    """Makes the row of a request that is refused for good, or marks the row whose session failed as that.

    A row in any other state stays as it is, and is returned: the caller must look.
    """
    tx.execute(
        "INSERT INTO checkout_transactions"
        " (request_id, user_id, amount_cents, currency, purpose, status, error_message, completed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, now())"
        " ON CONFLICT (request_id) DO UPDATE"
        " SET error_message = EXCLUDED.error_message, completed_at = now(), updated_at = now()"
        " WHERE checkout_transactions.status = EXCLUDED.status"
        "   AND checkout_transactions.completed_at IS NULL",
        (request_id, user_id, amount_cents, currency, purpose, Status.SESSION_FAILED, error_message),
    )
    return existing(tx, request_id)
