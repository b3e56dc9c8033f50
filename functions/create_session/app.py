"""POST /checkout/sessions"""

from checkout import bootstrap
from checkout.api.http import Request, Response, answering, json_response
from checkout.base.telemetry import instrumented
from checkout.outbox.finished_event import iso_utc
from checkout.release.self_check import APPLICATION_DATABASE, CHECKOUT_DATABASE, SECRETS, self_checking
from checkout.sessions.create import SessionRequest


def create(request: Request) -> Response:
    caller = bootstrap.authenticator().caller(request.headers)
    config = bootstrap.config()
    body = request.json(config.max_body_bytes)
    wanted = SessionRequest.of(body, caller.user_id, config, caller.email)
    row, is_new = bootstrap.create_session()(wanted, request.origin(config))
    return json_response(
        201 if is_new else 200,
        {
            "request_id": row.request_id,
            "session_id": row.stripe_session_id,
            "url": row.stripe_session_url,
            "expires_at": row.expires_at and iso_utc(row.expires_at),
        },
    )


handler = instrumented(
    self_checking(
        answering({"POST /checkout/sessions": create}), SECRETS, CHECKOUT_DATABASE, APPLICATION_DATABASE
    )
)
