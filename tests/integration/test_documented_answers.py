"""Every problem that docs/openapi.json describes can be provoked. That none is missing there is checked
wherever the tests call a function (tests/contracts/conformance.py)."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.errors import StripeError, StripeNotReached, StripeRefusedField
from checkout.payments.stripe_api import CreatedSession, StripeApi
from tests.contracts.documents import openapi, operations
from tests.support.functions import SERVICE_TOKEN, Answer, Functions, bearer, forget_wiring, override
from tests.support.stripe_events import event, session_object

CREATE, WEBHOOK = "POST /checkout/sessions", "POST /webhooks/stripe"
SESSION, PAYMENTS = "GET /checkout/sessions/{request_id}", "GET /checkout/transactions"
BALANCE, ASSET = "GET /checkout/balance", "GET /balance/{asset}"
PATHS = {SESSION: {"request_id": str(uuid4())}, ASSET: {"asset": "nothing.js"}}
FUNCTIONS = {CREATE: "create_session", WEBHOOK: "stripe_webhook", ASSET: "web"}
GOOD = {"amount_cents": 500}
AWAY = "postgresql://x@127.0.0.1:1/x"
SHOP = "token-of-the-shop-with-20-characters"

Provoked = Callable[[Functions, pytest.MonkeyPatch], Answer]


class Stripe(StripeApi):
    """Fails at every call, if it is to."""

    def __init__(self, error: StripeError | None = None) -> None:
        self._error = error

    def create_session(self, parameters: dict[str, Any], idempotency_key: str) -> CreatedSession:
        if self._error is not None:
            raise self._error
        return CreatedSession(f"cs_{uuid4()}", "https://stripe.example.com/", None)

    def session(self, session_id: str) -> Any:
        raise self._error or StripeNotReached("away")


def asked(fns: Functions, route: str, headers: dict[str, str] | None = None, **event: Any) -> Answer:
    """A good request to the route, unless something else is given."""
    if route == CREATE:
        return fns.create(GOOD, headers, **event)
    if route == WEBHOOK:
        return fns.webhook(event.pop("content", None) or an_event(), **event)
    given = bearer() if headers is None else headers
    return fns.http(FUNCTIONS.get(route, "account"), route, headers=given, path=PATHS.get(route), **event)


def an_event(**fields: Any) -> dict[str, Any]:
    return event(session_object(str(uuid4())), **fields)


def with_headers(route: str, headers: Callable[[], dict[str, str]]) -> Provoked:
    """The headers are made within the test: a token that is made before the first test may have expired."""
    return lambda fns, _patch: asked(fns, route, headers())


def sent(route: str, **event: Any) -> Provoked:
    return lambda fns, _patch: asked(fns, route, **event)


def with_settings(route: str, **settings: str) -> Provoked:
    def provoke(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
        fns.set(**settings)
        forget_wiring()
        return asked(fns, route)

    return provoke


def without(route: str, **parts: None) -> Provoked:
    """The function lacks a part: a mistake of ours."""

    def provoke(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
        override(patch, **parts)
        return asked(fns, route)

    return provoke


def by_stripe(route: str, error: StripeError, **event: Any) -> Provoked:
    def provoke(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
        override(patch, stripe_api=Stripe(error))
        return asked(fns, route, **event)

    return provoke


def again_with(**changes: Any) -> Provoked:
    def provoke(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
        fields = {**GOOD, "request_id": str(uuid4())}
        assert fns.create(fields).status == 201
        return fns.create({**fields, **changes})

    return provoke


def refused_before(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
    fields = {**GOOD, "request_id": str(uuid4())}
    override(patch, stripe_api=Stripe(StripeRefusedField("amount_cents is too small")))
    assert fns.create(fields).status == 400
    return fns.create(fields)


def limited(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
    fns.set(MAX_OPEN_SESSIONS_PER_HOUR="1")
    assert fns.create(GOOD).status == 201
    return fns.create(GOOD)


def without_the_scope(fns: Functions, patch: pytest.MonkeyPatch) -> Answer:
    fns.set(SERVICES=json.dumps({"shop": {"tokens": [SHOP], "scopes": ["balances:read"]}}))
    return fns.create({**GOOD, "user_id": 1}, {"x-service-token": SHOP})


def two() -> dict[str, str]:
    return {**bearer(), "x-service-token": SERVICE_TOKEN}


UNREAD = an_event(api_version="2019-01-01", is_known=False)

PROVOKED: dict[tuple[str, int, str], Provoked] = {
    (CREATE, 400, "invalid_request"): with_headers(CREATE, two),
    (CREATE, 401, "not_authenticated"): with_headers(CREATE, dict),
    (CREATE, 403, "missing_scope"): without_the_scope,
    (CREATE, 404, "unknown_user"): with_headers(CREATE, lambda: bearer(404)),
    (CREATE, 409, "request_id_conflict"): again_with(amount_cents=501),
    (CREATE, 409, "refused_before"): refused_before,
    (CREATE, 413, "content_too_large"): with_settings(CREATE, MAX_BODY_BYTES="1"),
    (CREATE, 415, "unsupported_media_type"): with_headers(
        CREATE, lambda: {**bearer(), "content-type": "text/csv"}
    ),
    (CREATE, 429, "too_many_requests"): limited,
    (CREATE, 500, "internal_error"): without(CREATE, create_session=None),
    (CREATE, 502, "stripe_unavailable"): by_stripe(CREATE, StripeNotReached("away")),
    (CREATE, 503, "temporarily_unavailable"): with_settings(CREATE, CHECKOUT_DATABASE_URL=AWAY),
    (CREATE, 503, "not_configured"): with_settings(CREATE, JWT_SECRET=""),
    (SESSION, 400, "invalid_request"): with_headers(SESSION, two),
    (SESSION, 401, "not_authenticated"): with_headers(SESSION, dict),
    (SESSION, 404, "not_found"): with_headers(SESSION, bearer),
    (SESSION, 500, "internal_error"): without(SESSION, accounts=None),
    (SESSION, 503, "temporarily_unavailable"): with_settings(SESSION, CHECKOUT_DATABASE_URL=AWAY),
    (SESSION, 503, "not_configured"): with_settings(SESSION, JWT_SECRET=""),
    (PAYMENTS, 400, "invalid_request"): sent(PAYMENTS, query={"limit": "0"}),
    (PAYMENTS, 401, "not_authenticated"): with_headers(PAYMENTS, lambda: {"x-service-token": SERVICE_TOKEN}),
    (PAYMENTS, 500, "internal_error"): without(PAYMENTS, accounts=None),
    (PAYMENTS, 503, "temporarily_unavailable"): with_settings(PAYMENTS, CHECKOUT_DATABASE_URL=AWAY),
    (PAYMENTS, 503, "not_configured"): with_settings(PAYMENTS, JWT_SECRET=""),
    (BALANCE, 400, "invalid_request"): with_headers(BALANCE, two),
    (BALANCE, 401, "not_authenticated"): with_headers(BALANCE, dict),
    (BALANCE, 404, "unknown_user"): with_headers(BALANCE, lambda: bearer(404)),
    (BALANCE, 500, "internal_error"): without(BALANCE, accounts=None),
    (BALANCE, 503, "temporarily_unavailable"): with_settings(BALANCE, DATABASE_URL=AWAY),
    (BALANCE, 503, "not_configured"): with_settings(BALANCE, JWT_SECRET=""),
    (WEBHOOK, 400, "invalid_signature"): sent(WEBHOOK, signature=None),
    (WEBHOOK, 400, "invalid_request"): sent(WEBHOOK, content=b"{}"),
    (WEBHOOK, 403, "forbidden"): with_settings(WEBHOOK, STRIPE_WEBHOOK_SOURCES="192.0.2.1"),
    (WEBHOOK, 500, "internal_error"): without(WEBHOOK, receive_webhook=None),
    (WEBHOOK, 502, "stripe_unavailable"): by_stripe(WEBHOOK, StripeNotReached("away"), content=UNREAD),
    (WEBHOOK, 503, "temporarily_unavailable"): with_settings(WEBHOOK, CHECKOUT_DATABASE_URL=AWAY),
    (WEBHOOK, 503, "not_configured"): with_settings(WEBHOOK, STRIPE_WEBHOOK_SECRET=""),
    (ASSET, 404, "not_found"): with_headers(ASSET, dict),
}

ELSEWHERE = {
    # tests/integration/test_not_configured.py, with a secret in Secrets Manager
    (CREATE, 503, "not_yet_configured"),
    (WEBHOOK, 503, "not_yet_configured"),
    # tests/unit/web, since the page reads its settings once
    (ASSET, 503, "not_configured"),
}


def test_what_is_provoked_is_all_that_is_documented() -> None:
    documented = {
        (route, int(status), code)
        for route, operation in operations(openapi()).items()
        for status, response in operation.responses.items()
        if (problem := response.get("content", {}).get("application/problem+json")) is not None
        for code in problem["schema"]["properties"]["code"]["enum"]
    }

    assert PROVOKED.keys() | ELSEWHERE == documented


@pytest.mark.parametrize("case", PROVOKED, ids=lambda case: " ".join(map(str, case)))
def test_a_documented_problem_can_be_provoked(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, case: tuple[str, int, str]
) -> None:
    override(monkeypatch, stripe_api=Stripe())
    _, status, code = case

    answer = PROVOKED[case](fns, monkeypatch)

    assert (answer.status, answer.json["code"], answer.json["status"]) == (status, code, status)
