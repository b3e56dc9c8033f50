"""What Stripe is asked for when a session is created. Pure."""

from typing import Any

from checkout.outbox.effects import TOP_UP


def stripe_parameters(
    *,
    app_id: str,
    request_id: str,
    user_id: int,
    amount_cents: int,
    currency: str,
    success_url: str,
    cancel_url: str,
    purpose: str,
    customer_email: str | None = None,
) -> dict[str, Any]:
    """https://docs.stripe.com/api/checkout/sessions/create, for one payment of one amount.

    The hosted page says whose account it is for, so nobody pays into another one unawares.
    """
    metadata = {
        "checkout_app": app_id,
        "request_id": request_id,
        "user_id": str(user_id),
        "purpose": purpose,
    }
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency,
                    "unit_amount": amount_cents,
                    "product_data": {
                        "name": "Balance top-up" if purpose == TOP_UP else "Payment",
                        "description": f"For account {user_id}",
                    },
                },
            }
        ],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "adaptive_pricing": {"enabled": False},
        "success_url": success_url,
        "cancel_url": cancel_url,
        **({"customer_email": customer_email} if customer_email else {}),
    }
