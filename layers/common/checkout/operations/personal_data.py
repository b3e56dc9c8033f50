"""What is kept of a Stripe event for good: what our handlers read, nothing about a person. Pure."""

import json
from typing import Any

from checkout.payments.stripe_event import THIN
from checkout.payments.stripe_object import payment_intent_of

_OF_EVENT = ("id", "object", "type", "created", "livemode", "api_version", "account", "context")
_OF_RESOURCE = (
    "id",
    "object",
    "created",
    "amount_refunded",
    "amount_subtotal",
    "amount_total",
    "currency",
    "livemode",
    "mode",
    "payment_status",
    "recovered_from",
    "status",
)
_OF_TOTALS = ("amount_discount", "amount_tax")
_OF_METADATA = ("checkout_app", "request_id", "user_id", "purpose", "amount_cents", "credit_cents")


def without_personal_data(payload: str) -> str:
    """The event as every handler still understands it in the same way: `payload` is one that was stored.

    What is kept is listed, not what is taken out: Stripe's objects get new fields.
    """
    event = json.loads(payload)
    if event.get("object") == THIN:
        return json.dumps(_only(event, _OF_EVENT))
    resource = event["data"]["object"]
    kept = _only(resource, _OF_RESOURCE)
    if isinstance(resource.get("metadata"), dict):
        kept["metadata"] = _only(resource["metadata"], _OF_METADATA)
    if isinstance(resource.get("total_details"), dict):
        kept["total_details"] = _only(resource["total_details"], _OF_TOTALS)
    if "payment_intent" in resource:
        kept["payment_intent"] = payment_intent_of(resource)
    return json.dumps(_only(event, _OF_EVENT) | {"data": {"object": kept}})


def _only(content: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: content[name] for name in names if name in content}
