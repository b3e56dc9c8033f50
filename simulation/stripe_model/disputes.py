"""Disputes: the bank takes the money of a payment, and gives it back, at once or in parts."""

from collections.abc import Mapping
from typing import Any

from simulation.stripe_model.account import Account

_LISTED = ("id", "object", "amount", "currency", "created", "reporting_category")
"""What a dispute has of its balance transactions."""


def begin(account: Account, charge_id: str) -> None:
    charge = account.now(charge_id)
    made = account._make(
        {
            "id": account._id("du_"),
            "object": "dispute",
            "amount": charge["amount"],
            "balance_transactions": [],
            "charge": charge_id,
            "currency": charge["currency"],
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "status": "needs_response",
        }
    )
    account._report("charge.dispute.created", made["id"])


def taken_by(account: Account, disputed: Mapping[str, Any]) -> int:
    """What the bank has of it now, in the currency of the payment."""
    return -sum(account.worth[moved["id"]] for moved in disputed["balance_transactions"])


def move(account: Account, dispute_id: str, *, withdrawn: bool, in_part: bool = False) -> None:
    """The bank takes the money, or gives back what it has or a part of that."""
    disputed = account.now(dispute_id)
    taken = taken_by(account, disputed)
    _move(account, dispute_id, -disputed["amount"] if withdrawn else max(1, taken // 2) if in_part else taken)


def close(account: Account, dispute_id: str, status: str, *, returned: int = 0) -> None:
    """Won or lost. Of one that is lost, Stripe returns what had been refunded before.
    https://support.stripe.com/questions/dispute-for-full-charge-amount-after-a-partial-refund-was-issued"""
    account._change(dispute_id, status=status)
    if returned:
        _move(account, dispute_id, returned)
    account._report("charge.dispute.closed", dispute_id)


def _move(account: Account, dispute_id: str, amount: int) -> None:
    disputed = account.now(dispute_id)
    category = "dispute" if amount < 0 else "dispute_reversal"
    moved = account.now(account._book(category, amount, disputed["currency"], dispute_id))
    listed = [*disputed["balance_transactions"], {name: moved[name] for name in _LISTED}]
    account._change(dispute_id, balance_transactions=listed)
    account._report(f"charge.dispute.funds_{'withdrawn' if amount < 0 else 'reinstated'}", dispute_id)
