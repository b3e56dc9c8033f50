"""SQL of payments that nobody finished."""

from checkout.base.backoff import backoff
from checkout.base.postgres import Transaction
from checkout.payments.payment import Payment
from checkout.payments.table import COLUMNS, payment


def claim(
    tx: Transaction,
    *,
    expired_for_seconds: int,
    pending_for_seconds: int,
    processing_for_seconds: int,
    claim_seconds: int,
    at_most_seconds: int,
    limit: int,
) -> list[tuple[Payment, int]]:
    """Sessions past their expiry, and payments that have been processing or pending for so long, the longest
    due first; and how often each was claimed, this time included.

    Nobody else gets them for `claim_seconds`, twice as long after each claim, `at_most_seconds` at most.
    """
    tx.execute(
        "UPDATE checkout_transactions SET rereads = rereads + 1,"
        f" reread_at = {backoff('%(claim)s', 'rereads', '%(at_most)s')} WHERE id IN ("
        " SELECT id FROM checkout_transactions"
        " WHERE status IN ('session_pending', 'session_created', 'payment_processing')"
        "   AND COALESCE(reread_at, now()) <= now()"
        "   AND CASE status"
        "     WHEN 'session_created' THEN"
        "       COALESCE(expires_at, created_at + interval '1 day') + make_interval(secs => %(expired)s)"
        "     WHEN 'session_pending' THEN updated_at + make_interval(secs => %(pending)s)"
        "     ELSE updated_at + make_interval(secs => %(processing)s)"
        "   END <= now()"
        " ORDER BY COALESCE(reread_at, updated_at) LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
        f" RETURNING {COLUMNS}, rereads",
        {
            "claim": claim_seconds,
            "at_most": at_most_seconds,
            "expired": expired_for_seconds,
            "pending": pending_for_seconds,
            "processing": processing_for_seconds,
            "limit": limit,
        },
    )
    rows = tx.fetchall()
    claims = [row.pop("rereads") for row in rows]
    return list(zip(map(payment, rows), claims, strict=True))


def leave(tx: Transaction, request_id: str, seconds: int) -> None:
    """Do not claim it again for so long. A row that somebody holds stays as it is."""
    tx.execute(
        "UPDATE checkout_transactions SET reread_at = now() + make_interval(secs => %s) WHERE id IN"
        " (SELECT id FROM checkout_transactions WHERE request_id = %s FOR UPDATE SKIP LOCKED)",
        (seconds, request_id),
    )
