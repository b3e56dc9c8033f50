"""Is this body from Stripe? https://docs.stripe.com/webhooks#verify-manually

Most events need nothing else of Stripe's SDK, whose import takes as long as all of ours. So this is not its
check, but agrees with it: `tests/unit/checkout/test_signature_agreement.py`.
"""

import hmac
import time
from collections.abc import Callable, Sequence

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
    try:
        body.decode()  # Stripe signs text.
        signed_at, signatures = _read(header)
        signed = b"%d.%s" % (signed_at, body)
        keys = [secret.encode() for secret in secrets if secret.strip()]
    except (ValueError, IndexError) as error:
        raise InvalidSignature("Stripe-Signature cannot be read, or the body is not UTF-8.") from error
    expected = [hmac.digest(key, signed, "sha256").hex().encode() for key in keys]
    if not any(hmac.compare_digest(one, other) for one in expected for other in signatures):
        raise InvalidSignature("Stripe-Signature does not match the body.")
    if signed_at < now() - TOLERANCE_SECONDS:
        raise InvalidSignature("Stripe-Signature is older than five minutes.")
    if signed_at > now() + TOLERANCE_SECONDS:
        raise InvalidSignature("Stripe-Signature is from the future.")


def _read(header: str) -> tuple[int, list[bytes]]:
    """The first `t` and all `v1`. Raises ValueError or IndexError."""
    items = [item.split("=") for item in header.split(",")]
    signed_at = [item[1] for item in items if item[0] == "t"]
    return int(signed_at[0]), [item[1].encode() for item in items if item[0] == "v1"]
