"""Stripe's client for a key, with the project's API version."""

import stripe

from checkout.payments.stripe_event import API_VERSION


def stripe_client(key: str, api_url: str | None) -> stripe.StripeClient:
    """`api_url` None means Stripe itself."""
    return stripe.StripeClient(
        key, stripe_version=API_VERSION, base_addresses={"api": api_url} if api_url else {}
    )
