"""What a user may read, and whether we are alive."""

from checkout import bootstrap
from checkout.api.http import Request, Response, answering, json_response
from checkout.base.telemetry import correlate, instrumented
from checkout.release.self_check import APPLICATION_DATABASE, CHECKOUT_DATABASE, SECRETS, self_checking


def session(request: Request) -> Response:
    user_id = bootstrap.authenticator().user(request.headers)
    found = bootstrap.accounts().session(user_id, request.path["request_id"])
    correlate(found["request_id"])
    return json_response(200, found)


def transactions(request: Request) -> Response:
    user_id = bootstrap.authenticator().user(request.headers)
    return json_response(200, bootstrap.accounts().transactions(user_id, request.query))


def balance(request: Request) -> Response:
    user_id = bootstrap.authenticator().user(request.headers)
    return json_response(200, bootstrap.accounts().balance(user_id))


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
        SECRETS,
        CHECKOUT_DATABASE,
        APPLICATION_DATABASE,
    )
)
