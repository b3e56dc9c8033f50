"""Balance transactions: the effect of each charge, refund and dispute on the account's balance.

`amount` is signed, `fee` is Stripe's own, and `net` is the difference. Types and reporting categories are
those of https://docs.stripe.com/reports/balance-transaction-types; fees are Stripe's list prices for European
cards and debits.
"""

from stripe_simulator.ids import new_id
from stripe_simulator.storage.transaction import Json, Transaction

DISPUTE_FEE = 1500
DEBIT_FEE = 35
AVAILABLE_AFTER_SECONDS = 7 * 24 * 3600


def card_fee(amount: int) -> int:
    """1.5 %, rounded, and 25."""
    return (amount * 15 + 500) // 1000 + 25


def record(
    transaction: Transaction,
    *,
    kind: str,
    category: str,
    source: str,
    amount: int,
    currency: str,
    fee: int = 0,
    description: str | None = None,
) -> Json:
    balance_transaction = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": transaction.now + AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": transaction.now,
        "currency": currency,
        "description": description,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [_fee_detail(fee, currency, kind)] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": kind,
    }
    transaction.insert(balance_transaction)
    return balance_transaction


def _fee_detail(fee: int, currency: str, kind: str) -> Json:
    return {
        "amount": fee,
        "application": None,
        "currency": currency,
        "description": "Dispute fee" if kind == "adjustment" else "Stripe processing fees",
        "type": "stripe_fee",
    }
