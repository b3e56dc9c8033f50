"""Stripe's page names the account that is paid into, and the email goes as soon as it has been sent."""

from typing import Any
from uuid import uuid4

import pytest
import requests

from checkout.base import timing
from tests.support import functions
from tests.support.functions import SERVICE_TOKEN, Functions, requested
from tests.support.settings import put
from tests.support.stripe_simulator import Simulator

SESSIONS = "/v1/checkout/sessions"
EMAIL = "ada.lovelace+coins@mail.example.com"


def signed_in(**claims: Any) -> dict[str, str]:
    return {"authorization": f"Bearer {functions.token(1, **claims)}"}


def shown(stripe: Simulator, session: dict[str, Any]) -> str:
    return requests.get(session["url"], timeout=10).text


def test_the_page_names_the_account_over_http_and_kafka(fns: Functions, stripe: Simulator) -> None:
    created = fns.create({"amount_cents": 500})
    assert "For account 1<" in shown(stripe, created.json)
    request = requested()
    fns.ask(request)
    [session] = stripe.sessions_of(request["request_id"])
    assert "For account 1<" in shown(stripe, session)
    assert session["customer_email"] is None


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({"email": EMAIL}, EMAIL),
        ({"email": EMAIL, "email_verified": True}, EMAIL),
        ({"email": EMAIL, "email_verified": False}, None),
        ({"email": EMAIL, "email_verified": "true"}, None),
        ({"email": "ada"}, None),
        ({"email": "ada@localhost"}, None),
        ({"email": ["ada@example.com"]}, None),
        ({}, None),
    ],
)
def test_the_email_is_the_one_that_the_token_says(
    fns: Functions, stripe: Simulator, claims: dict[str, Any], email: str | None
) -> None:
    created = fns.create({"amount_cents": 500}, signed_in(**claims))
    assert created.status == 201
    assert stripe.get(f"{SESSIONS}/{created.json['session_id']}")["customer_email"] == email
    assert "email" not in str(fns.row(created.json["request_id"])["stripe_parameters"])


def test_a_service_names_nobody_by_email(fns: Functions, stripe: Simulator) -> None:
    created = fns.create({"amount_cents": 500, "user_id": 1}, {"x-service-token": SERVICE_TOKEN})
    assert stripe.get(f"{SESSIONS}/{created.json['session_id']}")["customer_email"] is None


def test_the_same_idempotency_key_is_sent_with_the_same_email(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe made the session, and its answer was lost; then Stripe did not take the request at all."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", drop_after_effect=True, times=2)
    assert fns.create(body, signed_in(email=EMAIL)).status == 502
    stripe.clear_faults()
    with monkeypatch.context() as away:
        put(away, STRIPE_API_BASE="http://127.0.0.1:1")
        away.setattr(timing, "STRIPE_CONNECT", 0.3)
        functions.forget_wiring()
        assert fns.create(body).status == 502
    functions.forget_wiring()
    assert fns.row(request_id)["stripe_parameters"]["customer_email"] == EMAIL

    assert fns.create(body).status == 201
    [session] = stripe.sessions_of(request_id)
    assert session["customer_email"] == EMAIL
    assert "email" not in str(fns.row(request_id)["stripe_parameters"])


@pytest.mark.parametrize("status", [500, 400])
def test_an_email_that_stripe_answered_with_an_error_is_not_sent_again(
    fns: Functions, stripe: Simulator, status: int
) -> None:
    """It may be what Stripe refuses; without it the customer can pay."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=status)
    assert fns.create(body, signed_in(email=EMAIL)).status == 502
    assert "email" not in str(fns.row(request_id)["stripe_parameters"])
    assert fns.create(body, signed_in(email=EMAIL)).status == 201
    [session] = stripe.sessions_of(request_id)
    assert session["customer_email"] is None


def test_another_email_is_not_another_request(fns: Functions, stripe: Simulator) -> None:
    body = {"amount_cents": 500, "request_id": str(uuid4())}
    first = fns.create(body, signed_in(email=EMAIL))
    again = fns.create(body, signed_in(email="ada@elsewhere.example.com"))
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json


def abandoned(fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, status: int) -> str:
    """A request whose row keeps the email: Stripe never took it, or is still at it."""
    request_id = str(uuid4())
    stripe.fault(path_prefix=SESSIONS, method="POST", status=status, times=4)
    with monkeypatch.context() as hasty:
        hasty.setattr(timing, "KEY_IN_USE", 0)
        assert (
            fns.create({"amount_cents": 500, "request_id": request_id}, signed_in(email=EMAIL)).status == 502
        )
    stripe.clear_faults()
    return request_id


@pytest.mark.parametrize("verb", [["erase"], ["erase-user", "--user", "1", "--reason", "asked"]])
def test_the_email_of_a_request_that_nobody_repeats_is_erased(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, verb: list[str]
) -> None:
    failed = abandoned(fns, stripe, monkeypatch, 401)
    pending = abandoned(fns, stripe, monkeypatch, 409)

    def has_email(request_id: str) -> bool:
        return "customer_email" in fns.row(request_id)["stripe_parameters"]

    def erase() -> Any:
        words = [*verb[1:], "--operator", "ada", "--yes"]
        answer = fns.invoke("operations", {"verb": verb[0], "arguments": words})
        assert "error" not in answer
        return answer

    if verb == ["erase"]:
        erase()
        assert (has_email(failed), has_email(pending)) == (True, True), "not yet so old"
        fns.checkout("UPDATE checkout_transactions SET updated_at = now() - interval '91 days'")
    answer = erase()
    assert (has_email(failed), has_email(pending)) == (False, True), "a pending one may be sent again"
    if verb == ["erase"]:
        return
    [kept] = answer["result"]["pending_requests"]
    assert (answer["clean"], kept["request_id"]) == (False, pending)
    assert kept["keeps"].startswith("the email, until Stripe has answered")

    assert fns.create({"amount_cents": 500, "request_id": pending}, signed_in(email=EMAIL)).status == 201
    answer = erase()
    assert (answer["clean"], answer["result"]["pending_requests"]) == (True, [])
    assert not has_email(pending)
