"""Authentication with a test key, by Bearer, or by Basic outside browsers."""

import base64
import binascii

from starlette.datastructures import Headers

from stripe_simulator.api.errors import Forbidden, Unauthorized
from stripe_simulator.guard import is_from_browser

TEST_KEYS = ("sk_test_", "rk_test_")


def authenticate(headers: Headers) -> None:
    """Raises `Unauthorized` unless the headers carry a secret or restricted test key.

    Raises `Forbidden` for Basic in a browser, which takes it from any address that a page opens, and repeats
    it with the requests of other pages.
    """
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith("basic") and is_from_browser(headers):
        raise Forbidden("Basic authorization is for programs; from a browser it is not taken.")
    key = _key(authorization)
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
