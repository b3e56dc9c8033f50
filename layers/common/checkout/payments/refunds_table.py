"""SQL of requested_refunds: the payment and the amount that each key of a refund stands for."""

from typing import NamedTuple

from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction


class RequestedRefund(NamedTuple):
    payment_intent_id: str
    amount_cents: int
    currency: str


_COLUMNS = ", ".join(RequestedRefund._fields)


def find(tx: Transaction, refund_key: str) -> RequestedRefund | None:
    tx.execute(f"SELECT {_COLUMNS} FROM requested_refunds WHERE refund_key = %s", (refund_key,))
    row = tx.fetchone()
    return None if row is None else RequestedRefund(**row)


def keep(tx: Transaction, refund_key: str, requested: RequestedRefund) -> RequestedRefund:
    """What the key stands for: the first one that was stored. `tx` must commit each statement by itself, so
    that the second statement sees what another process committed while the first one waited."""
    tx.execute(
        f"INSERT INTO requested_refunds (refund_key, {_COLUMNS}) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (refund_key) DO NOTHING",
        (refund_key, *requested),
    )
    kept = find(tx, refund_key)
    if kept is None:
        raise InvariantBroken(f"the refund {refund_key} vanished after its insert")
    return kept
