"""What becomes of Stripe's events: the webhook's answer, and the rows of the inbox and of reversals."""

from typing import Any

from checkout.payments import stripe_event
from tests.support.functions import Functions
from tests.support.stripe_events import encoded


def outcome(fns: Functions, event: dict[str, Any]) -> str:
    """The outcome that the webhook answers."""
    answer = fns.webhook(event)
    assert answer.status == 200, answer.json
    return str(answer.json["outcome"])


def stored(fns: Functions, event: dict[str, Any]) -> dict[str, Any]:
    """The event's row."""
    [row] = fns.checkout("SELECT * FROM stripe_events WHERE event_id = %s", (event["id"],))
    return row


def states(fns: Functions) -> dict[str, str]:
    """The states of the reversals by their kinds."""
    return {row["kind"]: row["state"] for row in fns.checkout("SELECT kind, state FROM reversals")}


def parsed(event: dict[str, Any]) -> stripe_event.StripeEvent:
    """The event as the webhook reads it."""
    return stripe_event.parsed(encoded(event))
