"""SQL of the evidence that a payment was made: the signed event that reported it, or an answer of
Stripe's."""

from collections.abc import Sequence

from checkout.base.postgres import Transaction
from checkout.payments.payment import Payment
from checkout.payments.table import COLUMNS, fetched

PROVEN = (
    "(t.paid_read_at IS NOT NULL OR EXISTS (SELECT FROM stripe_events e WHERE e.event_id = t.paid_event_id"
    " AND e.outcome = 'applied' AND e.request_id = t.request_id))"
)
"""Of a succeeded row `t` of checkout_transactions: there is evidence."""


def missing(tx: Transaction, *, purpose: str, after_seconds: int, among: int) -> Sequence[Payment]:
    """Succeeded payments without evidence, among the first that are due to be compared with the ledger."""
    tx.execute(
        f"SELECT {COLUMNS} FROM (SELECT * FROM checkout_transactions"
        " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s"
        "   AND COALESCE(recheck_at, completed_at + make_interval(secs => %s)) <= now()"
        f" ORDER BY COALESCE(recheck_at, completed_at) LIMIT %s) AS t WHERE NOT {PROVEN}",
        (purpose, after_seconds, among),
    )
    return fetched(tx)


def found(tx: Transaction, request_id: str) -> None:
    """Note that Stripe has confirmed the payment as the row has it."""
    tx.execute(
        "UPDATE checkout_transactions SET paid_read_at = now()"
        " WHERE request_id = %s AND status = 'payment_succeeded'",
        (request_id,),
    )
