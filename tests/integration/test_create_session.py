"""Creating a session: the row before Stripe, one session for one request_id, whatever Stripe does."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from checkout.base import telemetry, timing
from checkout.base.config import Config
from checkout.base.errors import TooManyRequests
from checkout.base.postgres import Database
from checkout.payments.stripe_api import StripeApi
from checkout.sessions.create import CreateSession
from checkout.sessions.session_request import SessionRequest
from tests.support import functions
from tests.support.functions import SERVICE_TOKEN, Answer, Functions, bearer
from tests.support.stripe_events import APP_ID, event, session_object
from tests.support.stripe_simulator import Simulator

SESSIONS = "/v1/checkout/sessions"


def wired(fns: Functions) -> CreateSession:
    """As in an execution environment of its own."""
    config = Config(fns.settings)
    return CreateSession(
        Database(config.checkout_database_url),
        Database(config.database_url),
        StripeApi(config.stripe_secret, config.stripe_api_base),
        config,
    )


def wanted(request_id: str | None = None, amount_cents: int = 500) -> SessionRequest:
    return SessionRequest(1, amount_cents, None, request_id)


def test_a_session_is_what_was_asked_for(fns: Functions, stripe: Simulator) -> None:
    request_id = str(uuid4())
    answer = fns.create({"amount_cents": 1234, "currency": "EUR", "request_id": request_id.upper()})

    assert answer.status == 201
    assert answer.json.keys() == {"request_id", "session_id", "url", "credit_cents", "expires_at"}
    assert answer.json["request_id"] == request_id
    session = stripe.get(f"{SESSIONS}/{answer.json['session_id']}")
    assert (session["amount_total"], session["currency"], session["mode"]) == (1234, "eur", "payment")
    assert session["metadata"] == {
        "checkout_app": APP_ID,
        "request_id": request_id,
        "user_id": "1",
        "purpose": "balance_topup",
        "amount_cents": "1234",
        "credit_cents": "1234",
    }
    assert session["success_url"] == (
        "https://pay.example.com/balance?status=success&session_id={CHECKOUT_SESSION_ID}"
    )
    assert session["cancel_url"] == "https://pay.example.com/balance?status=cancel"
    assert session["adaptive_pricing"] == {"enabled": False}
    row = fns.row(request_id)
    assert row["stripe_parameters"]["payment_intent_data"]["metadata"] == session["metadata"]
    assert (row["status"], row["amount_cents"], row["stripe_session_url"]) == (
        "session_created",
        1234,
        answer.json["url"],
    )


def test_without_a_public_origin_stripe_returns_to_the_apis_own_domain(
    fns: Functions, stripe: Simulator
) -> None:
    fns.set(PUBLIC_ORIGIN="")
    answer = fns.create({"amount_cents": 500})
    session = stripe.get(f"{SESSIONS}/{answer.json['session_id']}")
    assert session["cancel_url"] == "https://api.example.com/balance?status=cancel"


def test_the_same_request_again_is_the_same_session_whatever_the_configuration_has_become(
    fns: Functions, stripe: Simulator
) -> None:
    request_id = str(uuid4())
    first = fns.create({"amount_cents": 500, "request_id": request_id})
    fns.set(MIN_AMOUNT_CENTS="600", BALANCE_CURRENCY="usd", MAX_OPEN_SESSIONS_PER_HOUR="1")
    second = fns.create({"amount_cents": 500, "currency": "eur", "request_id": request_id.upper()})
    assert (first.status, second.status) == (201, 200)
    assert first.json == second.json
    assert len(stripe.sessions_of(request_id)) == 1


def test_a_session_that_was_paid_has_no_page_to_be_paid_on(fns: Functions, stripe: Simulator) -> None:
    """Stripe's page would be a dead end, and the Balance page would lead there again and again."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    first = fns.create(body)
    fns.webhook(event(session_object(request_id, session_id=first.json["session_id"])))

    again = fns.create(body)
    assert again.status == 200
    assert again.json == {**first.json, "url": None}


def test_a_request_id_that_stands_for_something_else_is_409_without_saying_whose(
    fns: Functions, stripe: Simulator
) -> None:
    fns.add_users(2)
    request_id = str(uuid4())
    fns.create({"amount_cents": 500, "request_id": request_id})
    details = set()
    for fields, user_id in (({"amount_cents": 501}, 1), ({"amount_cents": 500}, 2)):
        answer = fns.create({**fields, "request_id": request_id}, bearer(user_id))
        assert answer.status == 409
        assert answer.json["request_id"] == request_id
        details.add(answer.json["detail"])
    assert len(details) == 1
    other_currency = fns.create({"amount_cents": 500, "currency": "usd", "request_id": request_id})
    assert other_currency.status == 409


def test_null_means_absent(fns: Functions, stripe: Simulator) -> None:
    answer = fns.create({"amount_cents": 500, "currency": None, "request_id": None})
    assert answer.status == 201
    assert UUID(answer.json["request_id"])
    assert fns.row(answer.json["request_id"])["currency"] == "eur"


def test_a_service_asks_for_a_user(fns: Functions, stripe: Simulator) -> None:
    answer = fns.create({"amount_cents": 500, "user_id": 1}, {"x-service-token": SERVICE_TOKEN})
    assert answer.status == 201
    assert fns.row(answer.json["request_id"])["user_id"] == 1


def test_two_service_tokens_are_good_while_one_is_rotated(fns: Functions, stripe: Simulator) -> None:
    def status(token: str) -> int:
        return fns.create({"amount_cents": 500, "user_id": 1}, {"x-service-token": token}).status

    fns.set(CHECKOUT_SERVICE_TOKEN=f"{SERVICE_TOKEN}, the-next-one")
    assert [status(SERVICE_TOKEN), status("the-next-one")] == [201, 201]
    assert [status(f"{SERVICE_TOKEN}, the-next-one"), status("")] == [401, 401]
    fns.set(CHECKOUT_SERVICE_TOKEN="the-next-one")
    assert [status(SERVICE_TOKEN), status("the-next-one")] == [401, 201]


def test_twenty_parallel_requests_with_one_request_id_get_one_session(
    fns: Functions, stripe: Simulator
) -> None:
    request_id = str(uuid4())
    stripe.fault(path_prefix=SESSIONS, method="POST", timeout_seconds=0.5)
    with ThreadPoolExecutor(20) as pool:
        rows = list(pool.map(lambda _: wired(fns)(wanted(request_id), "https://x"), range(20)))
    assert len({row.stripe_session_id for row, _ in rows}) == 1
    assert len(stripe.sessions_of(request_id)) == 1


def test_no_more_than_the_limit_may_be_open_even_in_parallel(fns: Functions, stripe: Simulator) -> None:
    fns.settings["MAX_OPEN_SESSIONS_PER_HOUR"] = "5"

    def ask(_: int) -> bool:
        try:
            wired(fns)(wanted(), "https://x")
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(ask, range(20))) == 5
    fns.checkout("UPDATE checkout_transactions SET created_at = now() - interval '1 hour'")
    assert ask(0)


def test_the_limit_is_429_with_retry_after_and_finished_payments_do_not_count(
    fns: Functions, stripe: Simulator
) -> None:
    fns.set(MAX_OPEN_SESSIONS_PER_HOUR="1")
    first = fns.create({"amount_cents": 500})
    refused = fns.create({"amount_cents": 500})
    assert refused.status == 429
    assert 3590 <= int(refused.headers["Retry-After"]) <= 3601
    fns.webhook(event(session_object(first.json["request_id"], session_id=first.json["session_id"])))
    assert fns.create({"amount_cents": 500}).status == 201


def test_stripe_away_is_502_and_the_same_request_id_succeeds_later(fns: Functions, stripe: Simulator) -> None:
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    with fns.set(STRIPE_API_BASE="http://127.0.0.1:1"):
        assert fns.create(body).status == 502
    row = fns.row(request_id)
    assert (row["status"], row["stripe_attempt"]) == ("session_failed", 1)

    functions.forget_wiring()
    assert fns.create(body).status == 201
    row = fns.row(request_id)
    assert (row["status"], row["error_message"]) == ("session_created", None)


@pytest.mark.parametrize(
    "fault",
    [{"drop_after_effect": True, "times": 2}, {"timeout_seconds": 1.0, "times": 2}],
    ids=["lost", "slow"],
)
def test_an_unknown_outcome_keeps_the_idempotency_key(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, fault: dict[str, object]
) -> None:
    """Stripe made the session, and its answer was lost: the same request_id finds that session."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", **fault)
    with monkeypatch.context() as hasty:
        hasty.setattr(timing, "STRIPE_READ", 0.3)
        hasty.setattr(timing, "KEY_IN_USE", 0)
        assert fns.create(body).status == 502
    functions.forget_wiring()
    stripe.clear_faults()
    row = fns.row(request_id)
    assert (row["status"], row["stripe_attempt"], row["stripe_session_id"]) == ("session_pending", 1, None)

    assert fns.create(body).status == 201
    assert [session["id"] for session in stripe.sessions_of(request_id)] == [
        fns.row(request_id)["stripe_session_id"]
    ]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_an_error_that_stripe_answered_is_not_asked_for_again(
    fns: Functions, stripe: Simulator, status: int
) -> None:
    """Stripe would replay it: the next attempt has a key of its own."""
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=status)
    assert fns.create(body).status == 502
    row = fns.row(request_id)
    assert (row["status"], row["stripe_attempt"]) == ("session_failed", 2)
    assert row["error_message"]
    assert fns.create(body).status == 201
    assert len(stripe.sessions_of(request_id)) == 1


@pytest.mark.parametrize("status", [401, 429])
def test_what_stripe_did_not_take_keeps_the_idempotency_key(
    fns: Functions, stripe: Simulator, status: int
) -> None:
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    stripe.fault(path_prefix=SESSIONS, method="POST", status=status)
    assert fns.create(body).status == 502
    assert fns.row(request_id)["stripe_attempt"] == 1
    assert fns.create(body).status == 201


def test_a_payment_that_overtook_its_session_is_not_moved_back(fns: Functions, stripe: Simulator) -> None:
    """The process died after Stripe answered; the customer cannot have the URL, but an event may come."""
    request_id = str(uuid4())
    stripe.fault(path_prefix=SESSIONS, method="POST", drop_after_effect=True, times=2)
    fns.create({"amount_cents": 500, "request_id": request_id})
    [session] = stripe.sessions_of(request_id)
    fns.webhook(event(session_object(request_id, session_id=session["id"])))

    answer = fns.create({"amount_cents": 500, "request_id": request_id})

    assert (answer.status, answer.json["session_id"]) == (200, session["id"])
    assert fns.row(request_id)["status"] == "payment_succeeded"


def test_a_row_that_a_webhook_made_is_not_asked_of_stripe(fns: Functions, stripe: Simulator) -> None:
    request_id = str(uuid4())
    fns.webhook(event(session_object(request_id, session_id="cs_test_known")))
    answer = fns.create({"amount_cents": 500, "request_id": request_id})
    assert (answer.status, answer.json["session_id"]) == (200, "cs_test_known")


def test_an_event_of_another_api_version_is_read_again(fns: Functions, stripe: Simulator) -> None:
    request_id = str(uuid4())
    created = fns.create({"amount_cents": 500, "request_id": request_id}).json
    claimed = session_object(request_id, session_id=created["session_id"], amount=999)
    missing = session_object(str(uuid4()), session_id="cs_test_missing")
    for session in (claimed, missing):
        told = event(session, api_version="2019-01-01", is_known=False)
        assert fns.webhook(told).json["outcome"] == "waiting"

    stripe.fault(path_prefix=SESSIONS, method="GET", status=500, times=2)
    unlucky = event(claimed, api_version="2019-01-01", is_known=False)
    assert fns.webhook(unlucky).status == 502
    assert fns.checkout("SELECT 1 FROM stripe_events WHERE event_id = %s", (unlucky["id"],)) == []


SHOP = "token-of-the-shop-with-20-characters"


def test_a_named_service_may_do_what_its_scopes_say(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = io.StringIO()
    monkeypatch.setattr(telemetry.logger.registered_handler, "stream", logs)

    def create(*scopes: str) -> Answer:
        fns.set(SERVICES=json.dumps({"shop": {"tokens": [SHOP, SHOP + "2"], "scopes": scopes}}))
        return fns.create({"amount_cents": 500, "user_id": 1}, {"x-service-token": SHOP})

    assert create("sessions").status == 201
    refused = create("balances:read", "balances:spend")
    assert (refused.status, refused.json["code"]) == (403, "missing_scope")
    assert "sessions" in refused.json["detail"]
    assert '"caller":"service:shop"' in logs.getvalue()
    fns.create({"amount_cents": 500, "user_id": 1}, {"x-service-token": SERVICE_TOKEN})
    assert '"caller":"service"' in logs.getvalue()
    assert SHOP not in logs.getvalue()
    assert fns.http("account", "GET /checkout/balance", headers={"x-service-token": SHOP}).status == 401


def test_a_service_that_cannot_be_read_is_named_without_its_token(fns: Functions) -> None:
    fns.set(SERVICES=json.dumps({"shop": {"tokens": [SERVICE_TOKEN], "scopes": ["sessions"]}}))
    answer = fns.create({"amount_cents": 500, "user_id": 1}, {"x-service-token": SERVICE_TOKEN})
    assert (answer.status, answer.json["code"]) == (503, "not_configured")
    assert "SERVICES" in answer.json["detail"]
    assert SERVICE_TOKEN not in answer.json["detail"]
