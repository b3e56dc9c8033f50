"""Stripe's balance transactions: what its own books say of a payment, a refund or a dispute. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkout.domain.effects import TOP_UP, reversal_key
from checkout.domain.session_event import is_ours
from checkout.domain.text import identifier

_CATEGORIES = {"charge", "charge_failure", "refund", "refund_failure", "dispute", "dispute_reversal"}
_PENDING = ("pending", "requires_action")


@dataclass(frozen=True, slots=True)
class Movement:
    """`key` is paid:<payment intent> or a reversal's effect key; `amount_cents` is signed and before fees;
    `created` is in epoch seconds; `is_pending` where the charge or refund has not come to its end."""

    id: str
    key: str
    payment_intent_id: str
    amount_cents: int
    currency: str
    is_ours: bool
    is_pending: bool
    created: int


def movement(transaction: Mapping[str, Any], app_id: str) -> Movement | None:
    """Of a balance transaction with its source expanded; None where it moves nothing of a payment.

    Stripe may settle in another currency than the customer paid in: of payments and refunds the source's own
    amount counts. https://docs.stripe.com/reports/reporting-categories
    """
    source = transaction.get("source")
    if not isinstance(source, Mapping) or transaction.get("reporting_category") not in _CATEGORIES:
        return None
    payment_intent_id = identifier(source.get("payment_intent"))
    if payment_intent_id is None:
        return None
    amount, currency = transaction["amount"], transaction["currency"]
    match source["object"]:
        case "charge":
            key = f"paid:{payment_intent_id}"
        case "refund":
            key = reversal_key("refunded" if amount < 0 else "refund_failed", source["id"])
        case "dispute":
            key = reversal_key("disputed" if amount < 0 else "dispute_won", transaction["id"])
        case _:
            return None
    if source["object"] != "dispute" and currency != source["currency"]:
        amount, currency = source["amount"] if amount > 0 else -source["amount"], source["currency"]
    purpose = (source.get("metadata") or {}).get("purpose", TOP_UP)
    return Movement(
        id=transaction["id"],
        key=key,
        payment_intent_id=payment_intent_id,
        amount_cents=amount,
        currency=currency,
        is_ours=is_ours(source, app_id) and purpose == TOP_UP,
        is_pending=source.get("status") in _PENDING,
        created=transaction["created"],
    )
