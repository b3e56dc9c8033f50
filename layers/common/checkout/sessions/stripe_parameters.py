"""What Stripe is asked for when a session is created. Pure."""

from typing import Any

from checkout.outbox.effects import TOP_UP
from checkout.payments.price import Price
from checkout.sessions.session_request import SessionRequest, absolute


def stripe_parameters(
    request: SessionRequest, request_id: str, *, price: Price, app_id: str, currency: str, origin: str
) -> dict[str, Any]:
    """https://docs.stripe.com/api/checkout/sessions/create, for one payment of one amount.

    `origin` has our own page. The hosted page says whose account it is for, so nobody pays into another one
    unawares.
    """
    purpose, page = request.purpose, f"{origin}/balance"
    metadata = {
        "checkout_app": app_id,
        "request_id": request_id,
        "user_id": str(request.user_id),
        "purpose": purpose,
        **price.metadata,
    }
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency,
                    "unit_amount": price.amount_cents,
                    "product_data": {
                        "name": "Balance top-up" if purpose == TOP_UP else "Payment",
                        "description": f"For account {request.user_id}",
                    },
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
    }
