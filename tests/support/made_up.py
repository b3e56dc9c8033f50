"""Makes the sessions of made-up events known at Stripe."""

import json
from typing import Any

import pytest

from checkout.payments.stripe_api import StripeApi

_sessions: dict[str, dict[str, Any]] = {}


def remember(stripe_event: dict[str, Any]) -> None:
    """Remember the session as it is in this event, until a later event has it."""
    resource = stripe_event.get("data", {}).get("object")
    if isinstance(resource, dict) and resource.get("object") == "checkout.session":
        _sessions[str(resource["id"])] = json.loads(json.dumps(resource))


def session(session_id: str) -> dict[str, Any] | None:
    return _sessions.get(session_id)


def known_to_stripe(patch: pytest.MonkeyPatch) -> None:
    """Let Stripe know the sessions of later events, and forget earlier ones."""
    _sessions.clear()
    at_stripe = StripeApi.session

    def answer(stripe: StripeApi, session_id: str) -> dict[str, Any]:
        found = session(session_id)
        return at_stripe(stripe, session_id) if found is None else found

    patch.setattr(StripeApi, "session", answer)
