"""What Stripe is asked for when a session is created. Pure."""

from typing import Any

from checkout.base.config import Config
from checkout.outbox.effects import TOP_UP
from checkout.payments.price import Price
from checkout.sessions.session_request import SessionRequest, absolute


def stripe_parameters(
    request: SessionRequest, request_id: str, price: Price, config: Config, *, origin: str, now: float
) -> dict[str, Any]:
    """https://docs.stripe.com/api/checkout/sessions/create, for one payment of one amount.

    `origin` has our own page. The hosted page says whose account it is for, so nobody pays into another one
    unawares. `now` is in epoch seconds.
    """
    purpose, page = request.purpose, f"{origin}/balance"
    metadata = {
        "checkout_app": config.app_id,
        "request_id": request_id,
        "user_id": str(request.user_id),
        "purpose": purpose,
        **price.metadata,
    }
    return {
        **config.session_options,
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": config.currency,
                    "unit_amount": price.amount_cents,
                    "product_data": {
                        "name": "Balance top-up" if purpose == TOP_UP else "Payment",
                        "description": f"For account {request.user_id}",
                        **({"tax_code": config.price_tax_code} if config.price_tax_code else {}),
                    },
                    **({"tax_behavior": config.price_tax_behavior} if config.price_tax_behavior else {}),
                },
            }
        ],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "adaptive_pricing": {"enabled": False},
        "success_url": absolute(request.success_url)
        or f"{page}?status=success&session_id={{CHECKOUT_SESSION_ID}}",
        "cancel_url": absolute(request.cancel_url) or f"{page}?status=cancel",
        **({"customer_email": request.customer_email} if request.customer_email else {}),
        **expiry(config, now),
    }


def expiry(config: Config, now: float) -> dict[str, int]:
    """Stripe wants it 30 minutes to 24 hours ahead, so it is computed for each idempotency key."""
    minutes = config.session_minutes
    return {} if minutes is None else {"expires_at": int(now) + minutes * 60}
