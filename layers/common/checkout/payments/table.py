"""SQL of checkout_transactions."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg2.extras import Json

from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction
from checkout.payments.payment import FINAL, OPEN, WITHOUT_PAYMENT, Payment, Status
from checkout.payments.session_event import SessionReport

COLUMNS = ", ".join(Payment.__slots__)


def payment(row: dict[str, Any]) -> Payment:
    return Payment(**{**row, "status": Status(row["status"])})


def _optional(tx: Transaction) -> Payment | None:
    row = tx.fetchone()
    return None if row is None else payment(row)


def fetched(tx: Transaction) -> Sequence[Payment]:
    return [payment(row) for row in tx.fetchall()]


def find(tx: Transaction, request_id: str) -> Payment | None:
    tx.execute(f"SELECT {COLUMNS} FROM checkout_transactions WHERE request_id = %s", (request_id,))
    return _optional(tx)


def find_all(tx: Transaction, request_ids: Collection[str]) -> Sequence[Payment]:
    """Those of them that there are."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions WHERE request_id = ANY(%s)", (list(request_ids),)
    )
    return fetched(tx)


def lock(tx: Transaction, request_id: str) -> Payment | None:
    """The row as last committed, held until the transaction ends."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions WHERE request_id = %s FOR UPDATE",
        (request_id,),
    )
    return _optional(tx)


def find_session(tx: Transaction, session_id: str) -> Payment | None:
    """The row that has this session."""
    tx.execute(f"SELECT {COLUMNS} FROM checkout_transactions WHERE stripe_session_id = %s", (session_id,))
    return _optional(tx)


def lock_of_session(
    tx: Transaction, request_id: str, session_id: str
) -> tuple[Payment | None, Payment | None]:
    """The row of the request and the row that has the session, which may be one; held until the transaction
    ends."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions WHERE request_id = %s OR stripe_session_id = %s"
        " ORDER BY id FOR UPDATE",
        (request_id, session_id),
    )
    rows = fetched(tx)
    return (
        next((row for row in rows if row.request_id == request_id), None),
        next((row for row in rows if row.stripe_session_id == session_id), None),
    )


def is_any_paid(tx: Transaction, user_id: int, request_id: str) -> bool:
    """True if the request's session, or another one of the same request, was paid."""
    tx.execute(
        "SELECT 1 FROM checkout_transactions WHERE user_id = %s AND status = 'payment_succeeded'"
        " AND (request_id = %s OR starts_with(request_id, %s)) LIMIT 1",
        (user_id, request_id, f"{request_id}:"),
    )
    return tx.fetchone() is not None


def find_payment(tx: Transaction, payment_intent_id: str) -> Payment | None:
    """The row whose customer paid with this payment intent."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions WHERE payment_intent_id = %s ORDER BY id LIMIT 1",
        (payment_intent_id,),
    )
    return _optional(tx)


def lock_payment(tx: Transaction, payment_intent_id: str) -> Payment | None:
    """The row whose customer paid with this payment intent, held until the transaction ends."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions WHERE payment_intent_id = %s ORDER BY id LIMIT 1"
        " FOR UPDATE",
        (payment_intent_id,),
    )
    return _optional(tx)


def lock_user(tx: Transaction, user_id: int) -> None:
    """Makes one user's new requests follow one another, so that none overtakes a limit."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout user {user_id}",))


def lock_payment_intent(tx: Transaction, payment_intent_id: str) -> None:
    """Of what follows in this transaction, each statement sees what was committed meanwhile."""
    tx.queue(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout payment {payment_intent_id}",)
    )


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
    return _existing(tx, request_id)


def insert_reported(
    tx: Transaction, request_id: str, reported: SessionReport, event_id: str | None
) -> Payment:
    """A row for a session of ours that Stripe knows and we do not; locked. Its state is still to be moved.

    The row that has this request_id already, if another was faster: the caller must look at its session.
    """
    tx.execute(
        "INSERT INTO checkout_transactions"
        " (request_id, user_id, amount_cents, currency, purpose, status, metadata, stripe_session_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (request_id) DO NOTHING",
        (
            request_id,
            reported.user_id,
            reported.amount_cents,
            reported.currency,
            reported.purpose,
            Status.SESSION_PENDING,
            Json({"made_from_event": event_id}),
            reported.session_id,
        ),
    )
    return _existing(tx, request_id)


def _existing(tx: Transaction, request_id: str) -> Payment:
    row = lock(tx, request_id)
    if row is None:
        raise InvariantBroken(f"payment {request_id} vanished after its insert")
    return row


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
    return _existing(tx, request_id)


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
    return _existing(tx, request_id)


def move(tx: Transaction, row: Payment, reported: SessionReport, event_id: str | None) -> Payment:
    """The row raised to the state that was reported. The caller has checked that it may become that."""
    tx.execute(
        "UPDATE checkout_transactions SET status = %(status)s, error_message = %(error_message)s,"
        " stripe_session_id = COALESCE(stripe_session_id, %(session_id)s),"
        " stripe_session_url = COALESCE(stripe_session_url, %(session_url)s),"
        " payment_intent_id = COALESCE(%(payment_intent_id)s, payment_intent_id),"
        " paid_cents = %(paid_cents)s, paid_currency = %(paid_currency)s, paid_event_id = %(paid_event_id)s,"
        " paid_read_at = CASE WHEN %(paid_read)s THEN now() END,"
        " completed_at = CASE WHEN %(final)s THEN now() END, updated_at = now()"
        f" WHERE request_id = %(request_id)s RETURNING {COLUMNS}",
        {
            "status": reported.status,
            "error_message": reported.error_message,
            "session_id": reported.session_id,
            "session_url": reported.session_url,
            "payment_intent_id": reported.payment_intent_id,
            "paid_cents": reported.amount_cents if reported.is_paid else None,
            "paid_currency": reported.currency if reported.is_paid else None,
            "paid_event_id": event_id if reported.is_paid else None,
            "paid_read": reported.is_paid and reported.is_read,
            "final": reported.status in FINAL,
            "request_id": row.request_id,
        },
    )
    moved = _optional(tx)
    if moved is None:
        raise InvariantBroken(f"payment {row.request_id} vanished under its lock")
    return moved


def page_of_user(tx: Transaction, user_id: int, *, before_id: int | None, limit: int) -> Sequence[Payment]:
    """Newest first, beginning below `before_id`."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions"
        " WHERE user_id = %s AND (%s::bigint IS NULL OR id < %s) ORDER BY id DESC LIMIT %s",
        (user_id, before_id, before_id, limit),
    )
    return fetched(tx)
