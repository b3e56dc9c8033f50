"""POST /checkout/sessions"""

import os

from checkout.api.http import Request, Response, answering, json_response
from checkout.base.config import Config
from checkout.base.services import SESSIONS
from checkout.base.telemetry import instrumented
from checkout.outbox.finished_event import iso_utc
from checkout.release.self_check import (
    APPLICATION_DATABASE,
    CHECKOUT_DATABASE,
    IDENTITY_PROVIDER,
    SECRETS,
    self_checking,
)
from checkout.sessions.session_request import SessionRequest
from checkout.system import System

system = System(Config(os.environ))
system.prepare("create_session", "authenticator")


def create(request: Request) -> Response:
    """Raises NotYetConfigured before anything is stored that could not be carried on."""
    config = system.config
    caller = system.authenticator.caller(request.headers)
    caller.require(SESSIONS)
    body = request.json(config.max_body_bytes)
    wanted = SessionRequest.of(body, caller.user_id, config, caller.email)
    config.stripe_secret()
    row, is_new = system.create_session(wanted, request.origin(config))
    return json_response(
        201 if is_new else 200,
        {
            "request_id": row.request_id,
            "session_id": row.stripe_session_id,
            "url": row.payable_url,
            "credit_cents": row.price.credit_cents,
            "expires_at": row.expires_at and iso_utc(row.expires_at),
        },
    )


handler = instrumented(
    self_checking(
        answering({"POST /checkout/sessions": create}),
        system,
        SECRETS,
        CHECKOUT_DATABASE,
        APPLICATION_DATABASE,
        IDENTITY_PROVIDER,
    )
)
