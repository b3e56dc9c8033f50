"""Who may call: whoever brings a test key, by Bearer or Basic."""

import base64
import binascii

from local.stripe_simulator.api.errors import Unauthorized

TEST_KEYS = ("sk_test_", "rk_test_")


def authenticate(authorization: str | None) -> None:
    """Raises `Unauthorized` unless the header carries a secret or restricted test key."""
    key = _key(authorization or "")
    if not key:
        raise Unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). "
            "See https://stripe.com/docs/api#authentication for details."
        )
    if not key.startswith(TEST_KEYS) or key in TEST_KEYS:
        raise Unauthorized(f"Invalid API Key provided: {_masked(key)}")


def _key(authorization: str) -> str:
    scheme, _, credentials = authorization.partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * max(len(key) - 12, 0)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
