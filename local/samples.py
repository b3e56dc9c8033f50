"""Prepares the simulator for a stored event: see events/."""

import json
from contextlib import suppress
from typing import Any

import requests

from local import http_client
from local.signing import body_of


def add_session(event: dict[str, Any], stripe_api_url: str) -> None:
    """Add the session of a webhook to the Stripe simulator, since the webhook's function asks for a session
    that this stack has not created. Nothing can be added to Stripe itself."""
    if not stripe_api_url.startswith("http://"):
        return
    with suppress(ValueError, TypeError, KeyError, requests.RequestException):
        resource = json.loads(body_of(event))["data"]["object"]
        if resource["object"] == "checkout.session":
            http_client.send("POST", f"{stripe_api_url}/_simulator/objects", seconds=5, json=resource)
