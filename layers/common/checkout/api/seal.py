"""Seals numbers that are given to a caller and come back: only we can read or make one, and it is valid in
its own context only.

The tag is an HMAC of the number and its context, and the number is encrypted with a pad that is derived from
the tag (as in SIV), so no randomness is needed, and no two numbers share a pad.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

_TAG_BYTES = 16
_NUMBER_BYTES = 8


def sealed(secret: str, context: str, number: int) -> str:
    """The number, at most 2^63-1, as URL-safe text. Only the same secret and context open it."""
    clear = number.to_bytes(_NUMBER_BYTES)
    tag = _tag(secret, context, clear)
    return base64.urlsafe_b64encode(tag + _hidden(secret, tag, clear)).decode()


def opened(secrets: Iterable[str], context: str, text: str) -> int | None:
    """The number that was sealed with one of the secrets and this context; None for any other text."""
    try:
        given = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    tag, hidden = given[:_TAG_BYTES], given[_TAG_BYTES:]
    for secret in secrets:
        clear = _hidden(secret, tag, hidden)
        if len(hidden) == _NUMBER_BYTES and hmac.compare_digest(tag, _tag(secret, context, clear)):
            return int.from_bytes(clear)
    return None


def _tag(secret: str, context: str, clear: bytes) -> bytes:
    return _derived(secret, b"tag", clear + context.encode())[:_TAG_BYTES]


def _hidden(secret: str, tag: bytes, content: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(content, _derived(secret, b"pad", tag), strict=False))


def _derived(secret: str, purpose: bytes, content: bytes) -> bytes:
    key = hmac.digest(secret.encode(), b"checkout seal " + purpose, hashlib.sha256)
    return hmac.digest(key, content, hashlib.sha256)
