"""Is this body from Stripe? The official library's check, plus what it lacks."""

import time
from collections.abc import Callable, Sequence

import stripe

from checkout.base.errors import InvalidSignature

TOLERANCE_SECONDS = 300
"""Stripe's own; here it holds for the future too."""


def verify(
    body: bytes, header: str | None, secrets: Sequence[str], now: Callable[[], float] = time.time
) -> None:
    """Raises InvalidSignature unless one of the secrets signed these bytes within the last five minutes.

    `header` is Stripe-Signature: `t=<seconds>,v1=<hex>[,v1=<hex>…]`. Several secrets are
    valid while one is rolled.
    """
    if not header:
        raise InvalidSignature("The Stripe-Signature header is missing.")
    if not any(_signed_with(secret, body, header) for secret in secrets):
        raise InvalidSignature("Stripe-Signature does not match the body, or is older than five minutes.")
    if _timestamp(header) > now() + TOLERANCE_SECONDS:
        raise InvalidSignature("Stripe-Signature is from the future.")


def _signed_with(secret: str, body: bytes, header: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, ValueError, TypeError):
        # ValueError: the body is not UTF-8. TypeError: a signature that is not ASCII cannot be compared.
        return False
    return True


def _timestamp(header: str) -> int:
    """The first `t`, read as the library reads it, which has put it under the signature."""
    items = (item.split("=") for item in header.split(","))
    return next(int(item[1]) for item in items if item[0] == "t")
