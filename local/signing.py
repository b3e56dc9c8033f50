"""Signs bodies as Stripe does, and fills in and signs stored events."""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from string import Template
from typing import Any

_NAME = re.compile(r"\$\{(\w+)\}")
_SIGNATURE = re.compile(r"v1=[0-9a-f]{64}")


def header(body: bytes, secret: str, moment: int | None = None) -> str:
    """The value of `Stripe-Signature` for a body; `moment` is in seconds since 1970, None meaning now."""
    moment = int(time.time()) if moment is None else moment
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def freshen(event: dict[str, Any], webhook_secret: str, values: Mapping[str, str]) -> dict[str, Any]:
    """The HTTP event with `${name}` in its headers replaced. If its signature is only a placeholder,
    `${name}` in its body is replaced, too, and the body is signed.

    Any other event stays as it is, and so does a body with a real signature.
    """
    headers = event.get("headers")
    if not isinstance(headers, dict):
        return event
    fresh = {name: Template(str(value)).safe_substitute(values) for name, value in headers.items()}
    body = event.get("body")
    for name, value in fresh.items():
        if name.lower() == "stripe-signature" and not _SIGNATURE.search(value):
            if isinstance(body, str) and not event.get("isBase64Encoded"):
                body = _NAME.sub(lambda found: values.get(found[1], found[0]), body)
            fresh[name] = header(body_of({**event, "body": body}), webhook_secret)
    return {**event, "headers": fresh, **({"body": body} if "body" in event else {})}


def body_of(event: Mapping[str, Any]) -> bytes:
    """The body of an HTTP event in bytes."""
    body = str(event.get("body") or "")
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
