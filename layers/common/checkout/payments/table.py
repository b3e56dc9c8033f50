"""SQL of checkout_transactions."""

from collections.abc import Collection, Sequence
from typing import Any

from psycopg2.extras import Json

from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId
from checkout.payments.payment import Payment, Status
from checkout.payments.price import Price
from checkout.payments.session_event import SessionReport

COLUMNS = ", ".join(Payment.__slots__)

CREDITED_CENTS = "COALESCE(credit_cents, paid_cents)"
"""`Payment.credited_cents` of a row that has succeeded."""

PAID_BY = (
    "CASE WHEN paid_cents = 0 THEN COALESCE(payment_intent_id, stripe_session_id) ELSE payment_intent_id END"
)
"""`payment_intent_id` of `Payment.credit`."""


def payment(row: dict[str, Any]) -> Payment:
    return Payment(**{**row, "status": Status(row["status"])})


def optional(tx: Transaction) -> Payment | None:
    row = tx.fetchone()
    return None if row is None else payment(row)


def fetched(tx: Transaction) -> Sequence[Payment]:
    return [payment(row) for row in tx.fetchall()]


def find(tx: Transaction, request_id: str) -> Payment | None:
    tx.execute(f"SELECT {COLUMNS} FROM checkout_transactions WHERE request_id = %s", (request_id,))
    return optional(tx)


def find_all(tx: Transaction, request_ids: Collection[str]) -> Sequence[Payment]:
    """Those of them that there are."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions WHERE request_id = ANY(%s)", (list(request_ids),)
    )
    return fetched(tx)


def is_known(tx: Transaction, session_id: str | None, payment_intent_id: str | None) -> bool:
    """True if a row has this session, or this payment intent."""
    tx.execute(
        "SELECT EXISTS(SELECT FROM checkout_transactions WHERE stripe_session_id = %s)"
        " OR EXISTS(SELECT FROM checkout_transactions WHERE payment_intent_id = %s) AS is_known",
        (session_id, payment_intent_id),
    )
    return bool(tx.row()["is_known"])


def is_any_paid(tx: Transaction, user_id: UserId, request_id: str) -> bool:
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
    return optional(tx)


def lock_payment_intent(tx: Transaction, payment_intent_id: str) -> None:
    """Lock the payment intent until the end. Later statements see what was committed before the lock came."""
    tx.queue(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout payment {payment_intent_id}",)
    )


def insert_reported(
    tx: Transaction, request_id: str, reported: SessionReport, promised: Price, event_id: str | None
) -> None:
    """A row for a session of ours that Stripe knows and we do not; its state is still to be moved. A row that
    has this request_id already stays as it is: the caller must look."""
    tx.queue(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, credit_cents, currency,"
        " purpose, status, metadata, stripe_session_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (request_id) DO NOTHING",
        (
            *(request_id, reported.user_id, promised.amount_cents, promised.credit_cents, reported.currency),
            *(reported.purpose, Status.SESSION_PENDING, Json({"made_from_event": event_id})),
            reported.session_id,
        ),
    )


def existing(tx: Transaction, request_id: str) -> Payment:
    row = find(tx, request_id)
    if row is None:
        raise InvariantBroken(f"payment {request_id} vanished after its insert")
    return row


def move(tx: Transaction, moved: Payment, *, is_read: bool) -> None:
    """Write the state of a payment whose row is locked, as of now; `is_read` if Stripe was asked about it."""
    tx.queue(
        "UPDATE checkout_transactions SET status = %s, error_message = %s, refused_because = %s,"
        " stripe_session_id = %s, stripe_session_url = %s, payment_intent_id = %s,"
        " paid_cents = %s, paid_currency = %s, credit_cents = %s, tax_cents = %s, discount_cents = %s,"
        " paid_event_id = %s,"
        " paid_read_at = CASE WHEN %s THEN now() END, completed_at = %s, updated_at = %s"
        " WHERE request_id = %s",
        (
            *(moved.status, moved.error_message, moved.refused_because, moved.stripe_session_id),
            *(moved.stripe_session_url, moved.payment_intent_id, moved.paid_cents, moved.paid_currency),
            *(moved.credit_cents, moved.tax_cents, moved.discount_cents, moved.paid_event_id),
            *(moved.paid_cents is not None and is_read, moved.completed_at),
            *(moved.updated_at, moved.request_id),
        ),
        changes_one_row=True,
    )


def page_of_user(tx: Transaction, user_id: UserId, *, before_id: int | None, limit: int) -> Sequence[Payment]:
    """Newest first, beginning below `before_id`."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions"
        " WHERE user_id = %s AND (%s::bigint IS NULL OR id < %s) ORDER BY id DESC LIMIT %s",
        (user_id, before_id, before_id, limit),
    )
    return fetched(tx)
