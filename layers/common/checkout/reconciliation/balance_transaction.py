"""Stripe's balance transactions: what its own books say of a payment, a refund or a dispute. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkout.base.text import identifier
from checkout.outbox.effects import TOP_UP, reversal_key
from checkout.payments import reversal_event
from checkout.payments.stripe_object import is_ours, payment_intent_of

# https://docs.stripe.com/reports/reporting-categories
_PAYMENTS = frozenset({"charge", "charge_failure", "partial_capture_reversal"})
"""Their sum is what was paid: a bank debit is booked when it begins, and taken back when it fails."""

_REFUNDS = frozenset({"refund", "refund_failure"})
_DISPUTES = frozenset({"dispute", "dispute_reversal"})
_PENDING = frozenset({"pending", "requires_action"})

UNKNOWN = "other"


@dataclass(frozen=True, slots=True)
class BookedMovement:
    """`key` is paid:<payment intent>, a reversal's effect key, or other:<id> for an unknown category;
    `amount_cents` is signed and before fees; `created` is in epoch seconds; `is_pending` is true until the
    charge or refund is final, or the dispute's end says what it has given back."""

    id: str
    key: str
    category: str
    payment_intent_id: str
    amount_cents: int
    currency: str
    is_ours: bool
    is_pending: bool
    created: int
    undone_by: str | None
    """The balance transaction that takes a failed payment back, according to its charge."""


def movement(transaction: Mapping[str, Any], app_id: str) -> BookedMovement | None:
    """The movement of a balance transaction with its source expanded; None if it is of no payment.

    Stripe may settle in another currency than the customer paid in: the amount of a payment or refund is that
    of its source, and so are those of the first withdrawal and reinstatement of a dispute.
    """
    source, category = (
        transaction.get("source"),
        identifier(transaction.get("reporting_category")) or "unknown",
    )
    if not isinstance(source, Mapping) or category in reversal_event.FEES:
        return None
    payment_intent_id = payment_intent_of(source)
    if payment_intent_id is None:
        return None
    amount, currency = transaction["amount"], transaction["currency"]
    key = _key(transaction["id"], category, source, payment_intent_id, amount)
    is_pending = source.get("status") in _PENDING
    in_payments_currency = category in _PAYMENTS | _REFUNDS and not key.startswith(UNKNOWN)
    if category in _DISPUTES and source.get("object") == "dispute":
        whole = {one.get("id") for one in reversal_event.settled_elsewhere(source)}
        in_payments_currency = transaction["id"] in whole
        is_pending = reversal_event.is_undecided(source, transaction)
    if in_payments_currency and currency != source["currency"]:
        amount, currency = source["amount"] if amount > 0 else -source["amount"], source["currency"]
    purpose = (source.get("metadata") or {}).get("purpose", TOP_UP)
    return BookedMovement(
        id=transaction["id"],
        key=key,
        category=category,
        payment_intent_id=payment_intent_id,
        amount_cents=amount,
        currency=currency,
        is_ours=is_ours(source, app_id) and purpose == TOP_UP,
        is_pending=is_pending,
        created=transaction["created"],
        undone_by=identifier(source.get("failure_balance_transaction")) if category == "charge" else None,
    )


def _key(
    transaction_id: str, category: str, source: Mapping[str, Any], payment_intent_id: str, amount: int
) -> str:
    """The category decides; the source only names the payment, since a failed charge has been seen both with
    the charge and with a refund of it as its source."""
    kind = source.get("object")
    if category in _PAYMENTS and kind in ("charge", "refund"):
        return f"paid:{payment_intent_id}"
    if category in _REFUNDS and kind == "refund":
        return reversal_key("refunded" if amount < 0 else "refund_failed", source["id"])
    if category in _DISPUTES and kind == "dispute":
        return reversal_key("disputed" if amount < 0 else "dispute_won", transaction_id)
    return f"{UNKNOWN}:{transaction_id}"
