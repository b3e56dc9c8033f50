"""POST /webhooks/stripe"""

from checkout import bootstrap
from checkout.http import Request, Response, answering, json_response
from checkout.telemetry import instrumented


def receive(request: Request) -> Response:
    outcome = bootstrap.receive_webhook()(request.body, request.headers.get("stripe-signature"))
    return json_response(200, {"received": True, "outcome": outcome})


handler = instrumented(answering({"POST /webhooks/stripe": receive}))
