"""SQL of uncredited payments: they succeeded, and nobody has seen their ledger entry."""

from collections.abc import Sequence
from datetime import datetime

from checkout.base.postgres import Transaction
from checkout.payments.payment import Payment
from checkout.payments.table import COLUMNS, fetched
from checkout.reconciliation.comparisons_table import DUE_AT_ONCE
from checkout.reconciliation.evidence_table import PROVEN


def due(tx: Transaction, *, purpose: str, after_seconds: int, limit: int) -> Sequence[Payment]:
    """Those whose next comparison with the ledger is due, the longest due first.

    Those without evidence are left out: see evidence.py. Locked; those that another run holds, or that are
    still in the outbox, are left out.
    """
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions t"
        " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s"
        "   AND COALESCE(recheck_at, completed_at + make_interval(secs => %s)) <= now()"
        f"   AND {PROVEN}"
        "   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = 'success:' || t.request_id)"
        " ORDER BY COALESCE(recheck_at, completed_at) LIMIT %s FOR UPDATE SKIP LOCKED",
        (purpose, after_seconds, limit),
    )
    return fetched(tx)


def page(
    tx: Transaction,
    *,
    purpose: str,
    before: datetime,
    behind: Payment | None,
    limit: int,
    contradicted: bool = True,
) -> Sequence[Payment]:
    """Those that succeeded before then, oldest first, from `behind` on. Unless `contradicted`, without those
    that Stripe was asked for and does not know as paid: nobody enters them."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions t"
        " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s AND completed_at < %s"
        "   AND (completed_at, id) > (COALESCE(%s, '-infinity'::timestamptz), %s)"
        f"   AND (%s OR recheck_at IS NULL OR recheck_at <= now() OR {PROVEN})"
        " ORDER BY completed_at, id LIMIT %s",
        (purpose, before, behind and behind.completed_at, behind.id if behind else 0, contradicted, limit),
    )
    return fetched(tx)


def retry(tx: Transaction, request_id: str) -> bool:
    """The next run compares the payment and its reversals. Returns False if no such payment succeeded. Rows
    that somebody holds are waited for."""
    tx.execute(
        f"UPDATE checkout_transactions SET {DUE_AT_ONCE}"
        " WHERE request_id = %s AND status = 'payment_succeeded'",
        (request_id,),
    )
    found = tx.rowcount == 1
    tx.execute(
        f"UPDATE reversals SET {DUE_AT_ONCE} WHERE payment_intent_id ="
        " (SELECT payment_intent_id FROM checkout_transactions WHERE request_id = %s)",
        (request_id,),
    )
    return found
