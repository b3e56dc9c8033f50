"""What Stripe Radar suspects of a payment: early fraud warnings and reviews. They move no money. Pure."""

from collections.abc import Mapping
from typing import Any

from checkout.base.text import identifier

EARLY_FRAUD_WARNING = "radar.early_fraud_warning.created"
HANDLED = frozenset({EARLY_FRAUD_WARNING, "review.opened", "review.closed"})


def summary(resource: Mapping[str, Any]) -> str:
    """In some words: `issfr_1: made_with_stolen_card, actionable`, `prv_1: open, rule`."""
    if "fraud_type" in resource:
        words = [resource.get("fraud_type"), "actionable" if resource.get("actionable") else "not actionable"]
    else:
        words = ["open" if resource.get("open") else "closed", resource.get("reason")]
    return f"{identifier(resource.get('id'))}: {', '.join(str(identifier(word)) for word in words)}"
