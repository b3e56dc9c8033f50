"""What any of Stripe's objects says about where it belongs. Pure."""

from collections.abc import Mapping
from typing import Any

from checkout.base.text import identifier


def is_ours(resource: Mapping[str, Any], app_id: str) -> bool:
    """Whether a session or a payment intent is this application's."""
    return app_of(resource) == app_id


def app_of(resource: Mapping[str, Any]) -> str | None:
    """The `checkout_app` in the metadata of a session or a payment intent; None if there is none."""
    metadata = resource.get("metadata")
    return identifier(metadata.get("checkout_app")) if isinstance(metadata, Mapping) else None


def payment_intent_of(resource: Mapping[str, Any]) -> str | None:
    """The id, whether Stripe sent the id or the expanded object."""
    intent = resource.get("payment_intent")
    return identifier(intent.get("id") if isinstance(intent, Mapping) else intent)
