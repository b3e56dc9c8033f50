"""Stripe's events with the fields that matter here, and their signatures."""

import json
import time
from typing import Any
from uuid import uuid4

from checkout.payments.stripe_event import API_VERSION
from local import signing
from tests.support import made_up

APP_ID = "checkout-tests"
WEBHOOK_SECRET = "whsec_of_the_tests_0123456789"


def session_object(
    request_id: str,
    *,
    user_id: int | str = 1,
    amount: int | None = 500,
    payment_status: str = "paid",
    session_id: str | None = None,
    payment_intent: str | None = None,
    currency: str = "eur",
    metadata: dict[str, Any] | None = None,
) -> dict[str, Any]:
    ours = {
        "checkout_app": APP_ID,
        "request_id": request_id,
        "user_id": str(user_id),
        "purpose": "balance_topup",
    }
    return {
        "id": session_id or f"cs_test_{uuid4().hex}",
        "object": "checkout.session",
        "amount_total": amount,
        "currency": currency,
        "livemode": False,
        "metadata": ours if metadata is None else metadata,
        "mode": "payment",
        "payment_intent": payment_intent or f"pi_{uuid4().hex}",
        "payment_status": payment_status,
        "status": "complete",
        "url": None,
    }


def event(
    resource: dict[str, Any],
    event_type: str = "checkout.session.completed",
    *,
    event_id: str | None = None,
    livemode: bool = False,
    api_version: str = API_VERSION,
    is_known: bool = True,
) -> dict[str, Any]:
    """An event of the resource. Stripe also knows it if it is a session, unless `is_known` is false."""
    made = {
        "id": event_id or f"evt_{uuid4().hex}",
        "object": "event",
        "api_version": api_version,
        "created": int(time.time()),
        "data": {"object": resource},
        "livemode": livemode,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event_type,
    }
    if is_known:
        made_up.remember(made)
    return made


def encoded(stripe_event: dict[str, Any]) -> bytes:
    return json.dumps(stripe_event, indent=2).encode()


def signature(body: bytes, secret: str = WEBHOOK_SECRET, *, timestamp: int | None = None) -> str:
    return signing.header(body, secret, timestamp)
