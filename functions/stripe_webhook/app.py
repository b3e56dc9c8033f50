"""POST /webhooks/stripe"""

from checkout import bootstrap
from checkout.api.http import Request, Response, answering, json_response, require_source
from checkout.base.telemetry import instrumented
from checkout.release.self_check import BROKER, CHECKOUT_DATABASE, SECRETS, self_checking


def receive(request: Request) -> Response:
    require_source(request.source_ip, bootstrap.config().webhook_sources)
    outcome = bootstrap.receive_webhook()(request.body, request.headers.get("stripe-signature"))
    return json_response(200, {"received": True, "outcome": outcome})


handler = instrumented(
    self_checking(answering({"POST /webhooks/stripe": receive}), SECRETS, CHECKOUT_DATABASE, BROKER)
)
