"""Stripe's balance transactions: what its own books say of a payment, a refund or a dispute. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkout.base.text import identifier
from checkout.outbox.effects import TOP_UP, reversal_key
from checkout.payments.session_event import is_ours, payment_intent_of

# https://docs.stripe.com/reports/reporting-categories
_PAYMENTS = frozenset({"charge", "charge_failure", "partial_capture_reversal"})
"""They sum up to what was paid: a bank debit is booked when it begins, and taken back when it fails."""

_REFUNDS = frozenset({"refund", "refund_failure"})
_DISPUTES = frozenset({"dispute", "dispute_reversal"})
_FEES = frozenset({"fee", "network_cost", "platform_earning", "platform_earning_refund", "tax"})
"""Between Stripe and us: they are not the user's."""

_PENDING = frozenset({"pending", "requires_action"})

UNKNOWN = "other"


@dataclass(frozen=True, slots=True)
class Movement:
    """`key` is paid:<payment intent>, a reversal's effect key, or other:<id> for what we do not know;
    `amount_cents` is signed and before fees; `created` is in epoch seconds; `is_pending` if the charge or
    refund has not come to its end."""

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
    """The balance transaction that takes a failed payment back, as its charge says."""


def movement(transaction: Mapping[str, Any], app_id: str) -> Movement | None:
    """Of a balance transaction with its source expanded; None if it moves nothing of a payment.

    Stripe may settle in another currency than the customer paid in: of payments and refunds the source's own
    amount counts.
    """
    source, category = (
        transaction.get("source"),
        identifier(transaction.get("reporting_category")) or "unknown",
    )
    if not isinstance(source, Mapping) or category in _FEES:
        return None
    payment_intent_id = payment_intent_of(source)
    if payment_intent_id is None:
        return None
    amount, currency = transaction["amount"], transaction["currency"]
    key = _key(transaction["id"], category, source, payment_intent_id, amount)
    in_payments_currency = category in _PAYMENTS | _REFUNDS and not key.startswith(UNKNOWN)
    if in_payments_currency and currency != source["currency"]:
        amount, currency = source["amount"] if amount > 0 else -source["amount"], source["currency"]
    purpose = (source.get("metadata") or {}).get("purpose", TOP_UP)
    return Movement(
        id=transaction["id"],
        key=key,
        category=category,
        payment_intent_id=payment_intent_id,
        amount_cents=amount,
        currency=currency,
        is_ours=is_ours(source, app_id) and purpose == TOP_UP,
        is_pending=source.get("status") in _PENDING,
        created=transaction["created"],
        undone_by=identifier(source.get("failure_balance_transaction")) if category == "charge" else None,
    )


def _key(
    transaction_id: str, category: str, source: Mapping[str, Any], payment_intent_id: str, amount: int
) -> str:
    """By its category; the source only says of which payment it is, since a failed charge has been seen with
    the charge and with a refund of it."""
    kind = source.get("object")
    if category in _PAYMENTS and kind in ("charge", "refund"):
        return f"paid:{payment_intent_id}"
    if category in _REFUNDS and kind == "refund":
        return reversal_key("refunded" if amount < 0 else "refund_failed", source["id"])
    if category in _DISPUTES and kind == "dispute":
        return reversal_key("disputed" if amount < 0 else "dispute_won", transaction_id)
    return f"{UNKNOWN}:{transaction_id}"
