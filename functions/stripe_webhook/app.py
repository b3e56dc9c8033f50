"""POST /webhooks/stripe"""

import os

from checkout.api.http import Request, Response, answering, json_response, require_source
from checkout.base.config import Config
from checkout.base.errors import Forbidden, InvalidSignature
from checkout.base.telemetry import count, instrumented
from checkout.release.self_check import BROKER, CHECKOUT_DATABASE, SECRETS, self_checking
from checkout.system import System

system = System(Config(os.environ))
# Most events are of paid sessions, which Stripe is not asked about. Its SDK takes a third of the imports.
system.prepare("receive_webhook", rarely=["stripe_api"])


def receive(request: Request) -> Response:
    try:
        require_source(request.source_ip, system.config.webhook_sources)
        outcome = system.receive_webhook(request.body, request.headers.get("stripe-signature"))
    except Forbidden:
        count("UnknownSource")
        raise
    except InvalidSignature:
        count("InvalidSignature")
        raise
    count("EventsReceived")
    return json_response(200, {"received": True, "outcome": outcome})


handler = instrumented(
    self_checking(answering({"POST /webhooks/stripe": receive}), system, SECRETS, CHECKOUT_DATABASE, BROKER)
)
