"""SQL of checkout_transactions that only creating a session needs."""

from collections.abc import Mapping
from typing import Any

from psycopg2.extras import Json

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId
from checkout.payments.payment import OPEN, WITHOUT_PAYMENT, Payment, Status
from checkout.payments.stripe_api import CreatedSession
from checkout.payments.table import COLUMNS, existing, optional, payment
from checkout.sessions.limits import Usage
from checkout.sessions.session_request import SessionRequest


def find_with_usage(tx: Transaction, request_id: str, user_id: UserId) -> tuple[Payment | None, Usage]:
    """The payment of this request, and what the user has begun to pay."""
    tx.execute(
        f"SELECT usage.*, {COLUMNS} FROM (SELECT COALESCE(max(id), 0) AS latest_id,"
        "  count(*) FILTER (WHERE is_open) AS open_payments,"
        "  COALESCE(3600 - EXTRACT(EPOCH FROM now() - min(created_at) FILTER (WHERE is_open)), 0)::float"
        "    AS seconds_open,"
        "  count(*) FILTER (WHERE is_of_today) AS day_payments,"
        "  COALESCE(sum(cents) FILTER (WHERE is_of_today), 0) AS day_cents,"
        "  date_trunc('day', now(), 'UTC') + interval '24 hours' AS day_ends_at,"
        "  EXTRACT(EPOCH FROM date_trunc('day', now(), 'UTC') + interval '24 hours' - now())::float"
        "    AS seconds_left"
        "  FROM (SELECT id, created_at, COALESCE(NULLIF(paid_cents, 0), amount_cents) AS cents,"
        "      status = ANY(%(open)s) AND created_at > now() - interval '1 hour' AS is_open,"
        "      status <> ALL(%(without_payment)s) AND created_at >= date_trunc('day', now(), 'UTC')"
        "        AS is_of_today"
        "    FROM checkout_transactions WHERE user_id = %(user_id)s) AS begun) AS usage"
        " LEFT JOIN checkout_transactions ON request_id = %(request_id)s",
        {
            "open": list(OPEN),
            "without_payment": list(WITHOUT_PAYMENT),
            "user_id": user_id,
            "request_id": request_id,
        },
    )
    row = tx.row()
    usage = Usage(**{name: row.pop(name) for name in Usage._fields})
    return (
        None if row["request_id"] is None else payment(row),
        usage._replace(day_cents=int(usage.day_cents)),
    )


def insert_pending(
    tx: Transaction,
    request: SessionRequest,
    request_id: str,
    *,
    credit_cents: int,
    currency: str,
    parameters: dict[str, Any],
    latest_id: int,
) -> Payment | None:
    """The row that exists before Stripe is asked. None if the user has begun another payment since
    `latest_id`, or if there is a row of this request_id.

    One user's inserts follow one another. The insert is a statement of its own, so it sees what was committed
    while it waited for the lock, and no limit is overtaken.
    """
    user_id = request.user_id
    tx.queue("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout user {user_id}",))
    tx.execute(
        "INSERT INTO checkout_transactions"
        " (request_id, user_id, amount_cents, credit_cents, currency, purpose, status, metadata,"
        "  stripe_parameters)"
        " SELECT %s, %s, %s, %s, %s, %s, %s, %s, %s"
        " WHERE NOT EXISTS (SELECT FROM checkout_transactions WHERE user_id = %s AND id > %s)"
        f" ON CONFLICT (request_id) DO NOTHING RETURNING {COLUMNS}",
        (
            *(request_id, user_id, request.amount_cents, credit_cents, currency, request.purpose),
            *(Status.SESSION_PENDING, Json(parameters["metadata"]), Json(parameters)),
            *(user_id, latest_id),
        ),
    )
    return optional(tx)


def session_created(tx: Transaction, request_id: str, session: CreatedSession) -> Payment:
    """Keep the session, unless there is one or the request was refused for good; a state that is further on
    stays. The customer's email goes: the parameters are not sent again."""
    tx.execute(
        "UPDATE checkout_transactions SET stripe_session_id = %s, stripe_session_url = %s, expires_at = %s,"
        " status = CASE WHEN status = ANY(%s) THEN %s ELSE status END,"
        " error_message = NULL, stripe_parameters = stripe_parameters - 'customer_email', updated_at = now()"
        " WHERE request_id = %s AND (stripe_session_id IS NULL OR stripe_session_id = %s)"
        f"   AND NOT (status = %s AND completed_at IS NOT NULL) RETURNING {COLUMNS}",
        (
            session.id,
            session.url,
            session.expires_at,
            [Status.SESSION_PENDING, Status.SESSION_FAILED],
            Status.SESSION_CREATED,
            request_id,
            session.id,
            Status.SESSION_FAILED,
        ),
    )
    return optional(tx) or existing(tx, request_id)


def renew_expiry(tx: Transaction, request_id: str, expiry: Mapping[str, int]) -> Payment:
    """Keep when the session of an idempotency key that was not sent yet expires; what another process has
    kept for it stays. If an attempt has failed since the row was read, the key is that of the next one."""
    tx.execute(
        "UPDATE checkout_transactions SET stripe_parameters = (stripe_parameters - 'expires_at') || %s::jsonb"
        f" WHERE request_id = %s AND stripe_parameters -> 'expires_at' = 'null' RETURNING {COLUMNS}",
        (Json(dict(expiry)), request_id),
    )
    return optional(tx) or existing(tx, request_id)


def session_failed(
    tx: Transaction,
    request_id: str,
    *,
    attempt: int,
    error_message: str,
    next_attempt: int,
    for_good: bool,
) -> None:
    """Record that an attempt failed, unless another attempt, a refusal or an event has moved the row.

    `for_good` refuses the request: there will be no other attempt. The customer's email goes as soon as the
    parameters are not sent with this idempotency key again, and when the session expires is null from then
    until the next attempt.
    """
    tx.execute(
        "UPDATE checkout_transactions"
        " SET status = %s, error_message = %s, stripe_attempt = %s, updated_at = now(),"
        " completed_at = CASE WHEN %s THEN now() END,"
        " stripe_parameters = stripe_parameters - CASE WHEN %s THEN 'customer_email' ELSE '' END"
        "   || CASE WHEN %s AND stripe_parameters ? 'expires_at' THEN '{\"expires_at\": null}'::jsonb"
        "     ELSE '{}' END"
        " WHERE request_id = %s AND stripe_attempt = %s AND stripe_session_id IS NULL AND status = ANY(%s)"
        "   AND completed_at IS NULL",
        (
            Status.SESSION_FAILED,
            error_message,
            next_attempt,
            for_good,
            for_good or next_attempt != attempt,
            next_attempt != attempt,
            request_id,
            attempt,
            [Status.SESSION_PENDING, Status.SESSION_FAILED],
        ),
    )


def refuse(tx: Transaction, request: SessionRequest, currency: str, error_message: str) -> Payment:
    """Make the row of a request that is refused for good, or mark the row whose session failed as that.

    A row in any other state stays as it is, and is returned: the caller must look.
    """
    tx.execute(
        "INSERT INTO checkout_transactions"
        " (request_id, user_id, amount_cents, currency, purpose, status, error_message, completed_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, now())"
        " ON CONFLICT (request_id) DO UPDATE"
        " SET error_message = EXCLUDED.error_message, completed_at = now(), updated_at = now()"
        " WHERE checkout_transactions.status = EXCLUDED.status"
        "   AND checkout_transactions.completed_at IS NULL"
        f" RETURNING {COLUMNS}",
        (
            *(request.request_id, request.user_id, request.amount_cents, currency, request.purpose),
            *(Status.SESSION_FAILED, error_message),
        ),
    )
    return optional(tx) or existing(tx, str(request.request_id))
