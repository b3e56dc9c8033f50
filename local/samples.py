"""What a stored event needs so that the running stack answers it: see events/."""

import json
import urllib.request
from contextlib import suppress
from typing import Any

from local.signing import body_of


def tell_simulator(event: dict[str, Any], stripe_api_url: str) -> None:
    """Have the Stripe simulator know the session of a webhook, because it is asked for a session that was not
    begun in this stack. Stripe itself cannot be told."""
    if not stripe_api_url.startswith("http://"):
        return
    with suppress(ValueError, TypeError, KeyError, OSError):
        resource = json.loads(body_of(event))["data"]["object"]
        if resource["object"] == "checkout.session":
            request = urllib.request.Request(  # noqa: S310 - http, see above
                f"{stripe_api_url}/_simulator/objects",
                json.dumps(resource).encode(),
                {"Content-Type": "application/json"},
            )
            urllib.request.urlopen(request, timeout=5).close()  # noqa: S310
