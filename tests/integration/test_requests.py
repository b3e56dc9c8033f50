"""Records of checkout.requests: one session and one answer for each request_id, or a clear refusal."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import Unavailable
from checkout.base.postgres import Database
from checkout.outbox.delivery import Delivery
from checkout.outbox.producer import KafkaPublisher, Published
from checkout.outbox.record import Record
from checkout.payments.stripe_api import CreatedSession, StripeApi
from checkout.sessions import table as sessions_table
from checkout.sessions.create import CreateSession
from checkout.sessions.requests import AnswerRequests
from local.kafka.embedded import Broker
from tests.support import functions
from tests.support.functions import Functions, requested, system
from tests.support.settings import put
from tests.support.stripe_events import APP_ID, event, session_object
from tests.support.stripe_simulator import Simulator
from tests.support.topic import Topic

SESSIONS = "/v1/checkout/sessions"
Answers = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def answers(broker: Broker) -> Answers:
    """What is on checkout.finished for a request."""
    return Topic(broker.address).of_request


def parked(fns: Functions) -> list[dict[str, Any]]:
    return fns.application("SELECT * FROM parked_events ORDER BY id")


def record(request: dict[str, Any], partition: int = 0, offset: int = 0) -> Record:
    return Record("checkout.requests", partition, offset, b"1", json.dumps(request).encode())


def test_on_demand_a_batch_that_is_not_done_is_an_error(fns: Functions, stripe: Simulator) -> None:
    """Such a trigger does not read which records must come again, and would take them for done."""
    fns.set(KAFKA_PARTIAL_RESPONSES="false")
    fns.settings["KAFKA_PARTIAL_RESPONSES"] = "false"
    done, failed = str(uuid4()), str(uuid4())
    assert fns.ask(requested(done)) == []
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    with pytest.raises(Unavailable, match=r"checkout\.requests-0 from offset 0 on"):
        fns.ask(requested(failed))
    stripe.clear_faults()
    assert fns.ask(requested(failed)) == []


def test_a_session_and_its_answer(fns: Functions, stripe: Simulator, answers: Answers) -> None:
    request_id = str(uuid4())
    assert fns.ask(requested(request_id.upper(), amount_cents=1234, currency="EUR")) == []

    [session] = stripe.sessions_of(request_id)
    assert (session["amount_total"], session["currency"]) == (1234, "eur")
    assert session["metadata"] == {
        "checkout_app": APP_ID,
        "request_id": request_id,
        "user_id": "1",
        "purpose": "balance_topup",
        "amount_cents": "1234",
        "credit_cents": "1234",
    }
    assert session["cancel_url"] == "https://pay.example.com/balance?status=cancel"
    row = fns.row(request_id)
    assert (row["status"], row["stripe_session_id"]) == ("session_created", session["id"])
    [answer] = answers(request_id)
    assert answer.pop("timestamp").endswith("Z")
    assert answer == {
        "request_id": request_id,
        "user_id": 1,
        "amount_cents": 1234,
        "currency": "eur",
        "purpose": "balance_topup",
        "status": "session_created",
        "session_id": session["id"],
        "session_url": session["url"],
        "payment_intent_id": None,
        "error_message": None,
        "event_id": None,
        "source_id": None,
        "dispute_id": None,
        "paid_cents": None,
        "tax_cents": None,
        "discount_cents": None,
        "reversed_cents": None,
    }
    assert fns.checkout("SELECT 1 FROM outbox") == []


def test_only_the_required_fields(fns: Functions, stripe: Simulator, answers: Answers) -> None:
    fns.ask({"request_id": "least", "user_id": 1, "amount_cents": 500, "colour": "blue"})
    [answer] = answers("least")
    assert (answer["status"], answer["currency"], answer["purpose"]) == (
        "session_created",
        "eur",
        "balance_topup",
    )


def test_another_purpose_passes_through(fns: Functions, stripe: Simulator, answers: Answers) -> None:
    request = requested(purpose="gift")
    fns.ask(request, request)
    [session] = stripe.sessions_of(request["request_id"])
    assert session["metadata"]["purpose"] == "gift"
    assert answers(request["request_id"])[0]["purpose"] == "gift"


@pytest.mark.parametrize(
    "request_id",
    ["7", "x" * 255, "é" * 255, "注文-7", "with some spaces ", "two\nlines: x", "🪙" * 100],
    ids=["short", "long", "long and not ASCII", "not Latin", "spaces", "lines", "astral"],
)
def test_a_request_id_is_any_text(
    fns: Functions, stripe: Simulator, answers: Answers, request_id: str
) -> None:
    """Also where Stripe's idempotency key must change: its answer of 500 would be replayed to the old one."""
    own = (request_id + uuid4().hex)[-255:]
    request = requested(own)
    stripe.fault(path_prefix=SESSIONS, method="POST", status=500)
    assert fns.ask(request) == [(0, 0)]
    assert fns.row(own)["stripe_attempt"] == 2
    assert fns.ask(request) == []
    assert len(stripe.sessions_of(own)) == 1
    assert [answer["status"] for answer in answers(own)] == ["session_created"]


@pytest.mark.parametrize("field", ["request_id", "purpose"])
@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\u00a0"])
def test_what_stripe_would_trim_is_answered_failed_under_its_own_name(
    fns: Functions, stripe: Simulator, answers: Answers, field: str, blank: str
) -> None:
    """Stripe's metadata would have another request_id, under which nobody waits for the payment."""
    request = requested(**{field: blank + uuid4().hex})
    asked = str(request["request_id"])

    assert fns.ask(request, request) == []

    first, second = answers(asked)
    assert first == second
    assert (first["status"], first["request_id"]) == ("failed", asked)
    assert first["error_message"].startswith(f"{field} must not begin or end with a blank")
    assert stripe.sessions_of(asked.strip()) == []
    assert fns.application("SELECT 1 FROM parked_events") == []


def test_the_payment_of_a_request_that_an_earlier_release_took_with_blanks_finds_its_row(
    fns: Functions, stripe: Simulator, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = f" {uuid4().hex} "
    with monkeypatch.context() as earlier:
        earlier.setattr(CreateSession, "_admit", lambda *_: None)
        fns.ask(requested(asked))
    [session] = stripe.sessions_of(asked.strip())
    assert fns.row(asked)["stripe_session_id"] == session["id"]

    paid = {**session, "payment_status": "paid", "status": "complete", "payment_intent": "pi_1"}
    assert fns.webhook(event(paid)).json["outcome"] == "applied"

    assert [answer["status"] for answer in answers(asked)] == ["session_created", "success"]
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions")) == 1


def test_the_same_message_twice_is_one_session_and_the_same_answer(
    fns: Functions, stripe: Simulator, answers: Answers
) -> None:
    request = requested()
    fns.ask(request, request)
    fns.ask(request)
    assert len(stripe.sessions_of(request["request_id"])) == 1
    first, *others = answers(request["request_id"])
    assert len(others) == 2
    assert all(other == first for other in others)


def test_the_same_message_to_several_consumers_at_once(
    fns: Functions, stripe: Simulator, answers: Answers
) -> None:
    config = Config(fns.settings)
    request = requested()

    def consume(number: int) -> list[Record]:
        checkout, application = Database(config.checkout_database_url), Database(config.database_url)
        stripe_api = StripeApi(config.stripe_secret, config.stripe_api_base)
        publisher = KafkaPublisher(config.kafka_brokers)
        answering = AnswerRequests(
            checkout,
            application,
            CreateSession(checkout, application, stripe_api, config),
            Delivery(checkout, publisher),
            origin=config.own_origin,
            currency=config.currency,
        )
        again = answering([record(request, partition=number)], deadline=float("inf"))
        publisher.close()
        return again

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(consume, range(8))) == [[]] * 8
    assert len(stripe.sessions_of(request["request_id"])) == 1
    given = answers(request["request_id"])
    assert given
    assert all(answer == given[0] for answer in given)


def test_over_http_and_over_kafka_a_request_is_the_same(
    fns: Functions, stripe: Simulator, answers: Answers
) -> None:
    request_id = str(uuid4())
    created = fns.create({"amount_cents": 500, "request_id": request_id})
    assert fns.ask(requested(request_id)) == []
    [answer] = answers(request_id)
    assert (answer["session_id"], answer["session_url"]) == (created.json["session_id"], created.json["url"])

    refused = requested(amount_cents=1)
    fns.ask(refused)
    again = fns.create({"amount_cents": 1, "request_id": refused["request_id"]})
    assert (again.status, "amount_cents" in again.json["detail"]) == (409, True)


REFUSED = {
    "unknown user": (requested("no-user", user_id=404), "user"),
    "amount too small": (requested("small", amount_cents=49), "amount_cents"),
    "amount too large": (requested("large", amount_cents=2**63 - 1), "amount_cents"),
    "another currency": (requested("dollars", currency="usd"), "currency"),
    "another origin": (requested("origin", success_url="https://evil.example.com/"), "success_url"),
    "no scheme": (requested("scheme", cancel_url="//pay.example.com/"), "cancel_url"),
    "no address": (requested("script", success_url="javascript:alert(1)"), "success_url"),
    "a user in it": (requested("at", cancel_url="https://pay.example.com@evil.com/"), "cancel_url"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_our_rules_refuse_is_answered_failed_once_and_for_all(
    fns: Functions, stripe: Simulator, answers: Answers, kind: str
) -> None:
    request, named = REFUSED[kind]
    request = {**request, "request_id": str(uuid4())}
    assert fns.ask(request) == []
    fns.add_users(404)
    fns.set(
        MIN_AMOUNT_CENTS="1", MAX_AMOUNT_CENTS=str(2**63), ALLOWED_REDIRECT_ORIGINS="https://evil.example.com"
    )
    functions.forget_wiring()
    assert fns.ask(request) == []

    first, second = answers(request["request_id"])
    assert first == second
    assert (first["status"], first["session_id"], first["session_url"]) == ("failed", None, None)
    assert named in first["error_message"]
    assert (first["user_id"], first["amount_cents"]) == (request["user_id"], request["amount_cents"])
    row = fns.row(request["request_id"])
    assert (row["status"], row["error_message"]) == ("session_failed", first["error_message"])
    assert stripe.sessions_of(request["request_id"]) == []
    assert parked(fns) == []


@pytest.mark.parametrize(
    ("event_type", "payment_status"),
    [
        ("checkout.session.completed", "paid"),
        ("checkout.session.completed", "unpaid"),
        ("checkout.session.async_payment_failed", "unpaid"),
        ("checkout.session.expired", "unpaid"),
    ],
)
def test_a_refusal_stays_the_answer_whatever_becomes_of_a_session_made_elsewhere(
    fns: Functions, stripe: Simulator, answers: Answers, event_type: str, payment_status: str
) -> None:
    fns.set(MIN_AMOUNT_CENTS="600")
    request = requested()
    request_id = request["request_id"]
    assert fns.ask(request) == []
    elsewhere = {**session_object(request_id, payment_status=payment_status), "url": "https://x"}
    assert fns.webhook(event(elsewhere, event_type)).json["outcome"] == "applied"
    assert fns.row(request_id)["stripe_session_id"] == elsewhere["id"]

    assert fns.ask(request) == []

    first, *reported, again = answers(request_id)
    assert first["status"] == "failed"
    assert again == first
    assert all(one["session_id"] == elsewhere["id"] for one in reported)
    over_http = fns.create({"amount_cents": 500, "request_id": request_id})
    assert over_http.json["session_id"] == elsewhere["id"]
    assert parked(fns) == []


@pytest.mark.parametrize(
    "limit",
    [{"MAX_OPEN_SESSIONS_PER_HOUR": "1"}, {"DAILY_COUNT_LIMIT": "1"}, {"DAILY_AMOUNT_CENTS_LIMIT": "999"}],
)
def test_limits_are_those_of_http(
    fns: Functions,
    stripe: Simulator,
    answers: Answers,
    monkeypatch: pytest.MonkeyPatch,
    limit: dict[str, str],
) -> None:
    put(monkeypatch, **limit)
    first, second = requested(), requested()
    assert fns.ask(first, second, first) == []
    assert [answer["status"] for answer in answers(first["request_id"])] == ["session_created"] * 2
    [refused] = answers(second["request_id"])
    assert (refused["status"], "at most" in refused["error_message"].lower()) == ("failed", True)


def test_what_stripe_will_never_take_is_answered_failed(
    fns: Functions, stripe: Simulator, answers: Answers
) -> None:
    """It would block its partition for ever."""
    request, other = requested(), requested()
    stripe.fault(path_prefix=SESSIONS, method="POST", status=400)
    assert fns.ask(request, other) == []
    assert fns.ask(request) == []
    first, second = answers(request["request_id"])
    assert first == second
    assert (first["status"], "Stripe refused" in first["error_message"]) == ("failed", True)
    assert stripe.sessions_of(request["request_id"]) == []
    assert [answer["status"] for answer in answers(other["request_id"])] == ["session_created"]


def test_a_request_whose_idempotency_key_is_taken_is_answered_failed(
    fns: Functions, stripe: Simulator, answers: Answers
) -> None:
    """The checkout database was restored, the request is sent again, and the origin has changed meanwhile:
    the parameters that are stored now will never be those that Stripe knows."""
    request, others = requested(), [requested() for _ in range(3)]
    assert fns.ask(request) == []
    fns.checkout("TRUNCATE checkout_transactions, outbox")
    fns.set(PUBLIC_ORIGIN="https://moved.example.com")
    functions.forget_wiring()

    assert fns.ask(request, *others) == []
    assert fns.ask(request) == []
    _, first, second = answers(request["request_id"])
    assert first == second
    assert (first["status"], first["session_id"]) == ("failed", None)
    assert "other parameters" in first["error_message"]
    assert len(stripe.sessions_of(request["request_id"])) == 1
    for other in others:
        assert [answer["status"] for answer in answers(other["request_id"])] == ["session_created"]
    assert parked(fns) == []


def test_an_answer_failed_stays_the_answer_whatever_another_attempt_brings(
    fns: Functions, stripe: Simulator
) -> None:
    """Another consumer asked Stripe with the same key meanwhile, and gets its session after the refusal."""
    request = requested()
    stripe.fault(path_prefix=SESSIONS, method="POST", status=400)
    fns.ask(request)
    refused = fns.row(request["request_id"])
    with system().checkout_database.transaction() as cursor:
        stored = sessions_table.session_created(
            cursor, request["request_id"], CreatedSession("cs_late", "https://x", None)
        )
    assert stored.is_refused
    with system().checkout_database.transaction() as cursor:
        sessions_table.session_failed(
            cursor,
            request["request_id"],
            attempt=refused["stripe_attempt"],
            error_message="another",
            next_attempt=9,
            for_good=False,
        )
    assert fns.row(request["request_id"]) == refused


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, "https://pay.example.com/balance?status=cancel"),
        ("", "https://pay.example.com/balance?status=cancel"),
        ("/somewhere", "https://pay.example.com/balance?status=cancel"),
        ("https://pay.example.com/basket", "https://pay.example.com/basket"),
        ("https://Shop.example.com:443/basket?a=b", "https://Shop.example.com:443/basket?a=b"),
    ],
)
def test_the_customer_comes_back_where_the_allow_list_says(
    fns: Functions, stripe: Simulator, given: str | None, sent: str
) -> None:
    fns.set(ALLOWED_REDIRECT_ORIGINS="https://shop.example.com")
    request = requested(cancel_url=given)
    fns.ask(request)
    [session] = stripe.sessions_of(request["request_id"])
    assert session["cancel_url"] == sent


@pytest.mark.parametrize(
    "difference", [{"user_id": 2}, {"amount_cents": 501}, {"currency": "usd"}, {"purpose": "gift"}]
)
@pytest.mark.parametrize("known", ["created", "refused"])
def test_a_known_request_id_for_something_else_is_parked_and_never_answered(
    fns: Functions,
    stripe: Simulator,
    answers: Answers,
    known: str,
    difference: dict[str, Any],
) -> None:
    fns.add_users(2)
    if known == "refused":
        fns.set(MIN_AMOUNT_CENTS="600")
    request = requested()
    other = {**request, **difference}
    assert fns.ask(request, other, request) == []

    given = answers(request["request_id"])
    assert len(given) == 2
    assert given[0] == given[1]
    [aside] = parked(fns)
    assert json.loads(bytes(aside["value"])) == other
    assert (aside["topic"], aside["partition"], aside["kafka_offset"]) == ("checkout.requests", 0, 1)
    assert "another request" in aside["reason"]
    assert fns.row(request["request_id"])["user_id"] == 1


def encoded(**fields: Any) -> bytes:
    return json.dumps(requested(**fields)).encode()


def without(field: str) -> bytes:
    return json.dumps({name: value for name, value in requested().items() if name != field}).encode()


BAD = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe",
    "not JSON": b"{",
    "not an object": b"[]",
    "a key twice": b'{"request_id": "a", "request_id": "b"}',
    "no request_id": without("request_id"),
    "no user_id": without("user_id"),
    "no amount_cents": without("amount_cents"),
    "amount as text": encoded(amount_cents="500"),
    "amount as float": encoded(amount_cents=500.0),
    "amount as boolean": encoded(amount_cents=True),
    "amount negative": encoded(amount_cents=-500),
    "amount zero": encoded(amount_cents=0),
    "amount beyond BIGINT": encoded(amount_cents=2**63),
    "amount of 5,000 digits": b'{"amount_cents": ' + b"9" * 5000 + b"}",
    "user_id as text": encoded(user_id="1"),
    "user_id beyond BIGINT": encoded(user_id=2**63),
    "currency as number": encoded(currency=978),
    "currency empty": encoded(currency=""),
    "currency too long in lower case": encoded(currency="İ" * 200),
    "purpose as list": encoded(purpose=["gift"]),
    "timestamp as number": encoded(timestamp=1),
    "success_url as number": encoded(success_url=1),
    "cancel_url as object": encoded(cancel_url={}),
    "NUL in a text": encoded(success_url="https://\0"),
    "NUL in the request_id": encoded(request_id="a\0b"),
    "NUL in the purpose": encoded(purpose="a\0b"),
    "lone surrogate": encoded(cancel_url="\ud800"),
    "50,000 brackets": b"[" * 50_000,
    "request_id of 256 characters": encoded(request_id="r" * 256),
    "request_id too long in lower case": encoded(request_id="İ" * 200),
    "request_id as number": encoded(request_id=1),
    "request_id empty": encoded(request_id=""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_record_that_can_never_be_answered_is_parked_and_the_others_are_answered(
    fns: Functions, stripe: Simulator, kind: str
) -> None:
    before, after = requested(), requested()
    for _ in range(2):
        assert fns.ask(before, BAD[kind], after) == []
    [aside] = parked(fns)
    assert bytes(aside["value"]) == BAD[kind]
    assert aside["reason"]
    rows = fns.checkout("SELECT request_id FROM checkout_transactions")
    assert {row["request_id"] for row in rows} == {before["request_id"], after["request_id"]}


@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 429}, {"status": 401}, {"drop_after_effect": True, "times": 2}],
)
def test_stripe_away_keeps_the_order_of_a_partition_and_lets_the_others_go_on(
    fns: Functions,
    stripe: Simulator,
    answers: Answers,
    capsys: pytest.CaptureFixture[str],
    fault: dict[str, Any],
) -> None:
    stuck = [requested() for _ in range(3)]
    free = [requested() for _ in range(2)]
    batch = [record(request, 0, 10 + at) for at, request in enumerate(stuck)]
    batch += [record(request, 2, 5 + at) for at, request in enumerate(free)]
    stripe.fault(path_prefix=SESSIONS, method="POST", **fault)

    assert fns.ask(*batch) == [(0, 10), (0, 11), (0, 12)]
    assert [len(answers(request["request_id"])) for request in stuck] == [0, 0, 0]
    assert [len(answers(request["request_id"])) for request in free] == [1, 1]
    assert '"StripeErrors":[1.0]' in capsys.readouterr().out, "no function fails, so nothing else says it"

    assert fns.ask(*batch[:3]) == []
    assert "StripeErrors" not in capsys.readouterr().out
    for request in stuck + free:
        assert [answer["status"] for answer in answers(request["request_id"])] == ["session_created"]
        assert len(stripe.sessions_of(request["request_id"])) == 1
    assert parked(fns) == []


@pytest.mark.parametrize("name", ["CHECKOUT_DATABASE_URL", "DATABASE_URL"])
def test_a_database_away_gives_everything_back(
    fns: Functions, stripe: Simulator, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    batch = [requested(), b"nonsense" if name == "DATABASE_URL" else requested()]
    with fns.set(**{name: "postgresql://x@127.0.0.1:1/x"}):
        assert fns.ask(*batch) == [(0, 0), (0, 1)]
    assert "StripeErrors" not in capsys.readouterr().out
    functions.forget_wiring()
    assert fns.ask(*batch) == []


def test_what_is_not_begun_before_the_deadline_is_given_back(fns: Functions, stripe: Simulator) -> None:
    batch = [record(requested(), partition, 0) for partition in range(3)]
    left = timing.RESERVE["checkout_requests_consumer"] * 1000
    assert fns.ask(*batch, remaining_millis=left) == [(0, 0), (1, 0), (2, 0)]
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []


def test_an_answer_that_the_broker_does_not_take_is_published_later(
    fns: Functions, stripe: Simulator, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, refused = requested(), requested(amount_cents=1)
    with monkeypatch.context() as away:
        away.setattr(KafkaPublisher, "publish", lambda *_: Published())
        assert fns.ask(created, refused, created) == []
    waiting = fns.checkout("SELECT effect_key FROM outbox ORDER BY id")
    assert [row["effect_key"] for row in waiting] == [
        f"answered:{request['request_id']}" for request in (created, refused)
    ]
    fns.checkout("UPDATE outbox SET created_at = created_at - interval '1 minute'")
    assert fns.invoke("outbox_relay", {})["published"] == 2
    assert [answer["status"] for answer in answers(created["request_id"])] == ["session_created"]
    assert [answer["status"] for answer in answers(refused["request_id"])] == ["failed"]


def test_without_an_origin_nothing_is_guessed(fns: Functions) -> None:
    from checkout.base.errors import ConfigurationError

    fns.set(PUBLIC_ORIGIN=None)
    with pytest.raises(ConfigurationError, match="PUBLIC_ORIGIN"):
        fns.ask(requested())
