"""Balance transactions: the effect of each charge, refund and dispute on the account's balance.

`amount` is signed, `fee` is Stripe's own, and `net` is the difference, all in the currency of the settlement.
Types and reporting categories are those of https://docs.stripe.com/reports/balance-transaction-types; fees
are Stripe's list prices for European cards and debits.
"""

from stripe_simulator.ids import new_id
from stripe_simulator.resources import settlement
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
    """`amount` and `fee` are in the currency of what moves the balance."""
    settled, settled_in, rate = settlement.converted(transaction, amount, currency)
    settled_fee, *_ = settlement.converted(transaction, fee, currency)
    balance_transaction = {
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": settled,
        "available_on": transaction.now + AVAILABLE_AFTER_SECONDS,
        "balance_type": "payments",
        "created": transaction.now,
        "currency": settled_in,
        "description": description,
        "exchange_rate": rate,
        "fee": settled_fee,
        "fee_details": [_fee_detail(settled_fee, settled_in, kind)] if fee else [],
        "net": settled - settled_fee,
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
