"""What users may read, and the liveness check."""

import os

from checkout.api.http import Request, Response, answering, json_response
from checkout.base.config import Config
from checkout.base.telemetry import correlate, instrumented
from checkout.release.self_check import (
    APPLICATION_DATABASE,
    CHECKOUT_DATABASE,
    IDENTITY_PROVIDER,
    SECRETS,
    self_checking,
)
from checkout.system import System

system = System(Config(os.environ))
system.prepare("authenticator", "accounts")


def session(request: Request) -> Response:
    user_id = system.authenticator.user(request.headers)
    found = system.accounts.session(user_id, request.path["request_id"])
    correlate(found["request_id"])
    return json_response(200, found)


def transactions(request: Request) -> Response:
    user_id = system.authenticator.user(request.headers)
    return json_response(200, system.accounts.transactions(user_id, request.query))


def balance(request: Request) -> Response:
    user_id = system.authenticator.user(request.headers)
    return json_response(200, system.accounts.balance(user_id))


def health(_request: Request) -> Response:
    return json_response(200, {"status": "ok"})


handler = instrumented(
    self_checking(
        answering(
            {
                "GET /checkout/sessions/{request_id}": session,
                "GET /checkout/transactions": transactions,
                "GET /checkout/balance": balance,
                "GET /health": health,
            }
        ),
        system,
        SECRETS,
        CHECKOUT_DATABASE,
        APPLICATION_DATABASE,
        IDENTITY_PROVIDER,
    )
)
