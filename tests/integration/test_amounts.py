"""Amounts that Stripe never takes: the refusal names the field, and known rules need no call to Stripe."""

from typing import Any
from uuid import uuid4

import pytest

from checkout.base.errors import ConfigurationError
from local.kafka.embedded import Broker
from tests.support import functions
from tests.support.functions import Functions, requested
from tests.support.settings import put
from tests.support.stripe_simulator import Simulator
from tests.support.topic import Topic

SESSIONS = "/v1/checkout/sessions"


def answers(broker: Broker, request_id: str) -> list[dict[str, Any]]:
    return Topic(broker.address).of_request(request_id)


def configured(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    put(monkeypatch, **settings)
    functions.forget_wiring()


NEVER_TAKEN = {
    "isk": (1050, 1100, "multiple of 100"),
    "ugx": (101, 500, "multiple of 100"),
    "kwd": (5124, 5120, "multiple of 10"),
    "huf": (17_499, 17_500, "from 17500"),
    "jpy": (49, 50, "from 50"),
}


@pytest.mark.parametrize("currency", NEVER_TAKEN)
def test_over_http_a_known_rule_is_checked_before_stripe_is_asked(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch, currency: str
) -> None:
    wrong, right, rule = NEVER_TAKEN[currency]
    configured(monkeypatch, BALANCE_CURRENCY=currency)
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    body = {"amount_cents": wrong, "request_id": str(uuid4())}
    for _ in range(2):
        refused = fns.create(body)
        assert refused.status == 400
        assert refused.json["detail"].startswith("amount_cents must be")
        assert rule in refused.json["detail"]
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []

    stripe.clear_faults()
    created = fns.create({"amount_cents": right})
    assert created.status == 201
    session = stripe.get(f"{SESSIONS}/{created.json['session_id']}")
    assert (session["amount_total"], session["currency"]) == (right, currency)


@pytest.mark.parametrize("currency", NEVER_TAKEN)
def test_on_kafka_a_known_rule_is_checked_before_stripe_is_asked(
    fns: Functions, stripe: Simulator, broker: Broker, monkeypatch: pytest.MonkeyPatch, currency: str
) -> None:
    wrong, right, rule = NEVER_TAKEN[currency]
    configured(monkeypatch, BALANCE_CURRENCY=currency)
    refused = requested(amount_cents=wrong, currency=None)
    good = requested(amount_cents=right, currency=currency.upper())
    assert fns.ask(refused, good) == []
    [answer] = answers(broker, refused["request_id"])
    assert (answer["status"], rule in answer["error_message"]) == ("failed", True)
    assert [answer["status"] for answer in answers(broker, good["request_id"])] == ["session_created"]


@pytest.mark.parametrize(
    ("settings", "amount_cents", "field"),
    [
        ({"MIN_AMOUNT_CENTS": "1"}, 20, "amount_cents"),
        ({"MAX_AMOUNT_CENTS": "100000000"}, 100_000_000, "amount_cents"),
        ({"BALANCE_CURRENCY": "xxx"}, 500, "currency"),
    ],
    ids=["too small", "too large", "no such currency"],
)
def test_what_only_stripe_knows_is_refused_for_good_by_the_fields_name(
    fns: Functions,
    stripe: Simulator,
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, str],
    amount_cents: int,
    field: str,
) -> None:
    configured(monkeypatch, **settings)
    request_id = str(uuid4())
    body = {"amount_cents": amount_cents, "request_id": request_id}
    first, again = fns.create(body), fns.create(body)
    assert (first.status, first.json["title"]) == (400, "Invalid request")
    assert first.json["detail"].startswith(f"{field} is not what Stripe takes: ")
    assert (again.status, field in again.json["detail"]) == (409, True)
    row = fns.row(request_id)
    assert (row["status"], row["completed_at"] is not None) == ("session_failed", True)

    request = requested(amount_cents=amount_cents, currency=None)
    assert fns.ask(request) == []
    assert fns.ask(request) == []
    first_answer, second_answer = answers(broker, request["request_id"])
    assert first_answer == second_answer
    assert (first_answer["status"], field in first_answer["error_message"]) == ("failed", True)
    assert fns.row(request["request_id"])["stripe_attempt"] == 2, "no attempt after the first"


def test_an_amount_that_stripe_refused_does_not_count_against_the_user(
    fns: Functions, stripe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, MIN_AMOUNT_CENTS="1", MAX_OPEN_SESSIONS_PER_HOUR="1", DAILY_COUNT_LIMIT="1")
    for _ in range(3):
        assert fns.create({"amount_cents": 20}).status == 400
    assert fns.create({"amount_cents": 500}).status == 201


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"BALANCE_CURRENCY": "euro"}, "BALANCE_CURRENCY"),
        ({"MAX_AMOUNT_CENTS": "49"}, "MAX_AMOUNT_CENTS"),
        (
            {"BALANCE_CURRENCY": "isk", "MIN_AMOUNT_CENTS": "101", "MAX_AMOUNT_CENTS": "199"},
            "MAX_AMOUNT_CENTS",
        ),
        ({"MIN_AMOUNT_CENTS": "few"}, "MIN_AMOUNT_CENTS"),
    ],
)
def test_settings_with_which_nothing_can_be_paid_are_refused_at_start(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], named: str
) -> None:
    configured(monkeypatch, **settings)
    with pytest.raises(ConfigurationError, match=named):
        fns.invoke("migrate", {})
    for function in ("create_session", "checkout_requests_consumer"):
        with pytest.raises(ConfigurationError, match=named):
            fns.invoke(function, {"checkout": "self-check"})
