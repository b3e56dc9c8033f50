"""Stripe's webhook signatures (https://docs.stripe.com/webhooks#verify-manually)."""

import hashlib
import hmac


def signature_header(payload: bytes, secret: str, timestamp: int) -> str:
    """The value of `Stripe-Signature` for a body sent at this time (unix seconds)."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"
