"""How much a user may begin to pay in a day, whoever asks at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, TooManyRequests
from checkout.base.postgres import Database
from checkout.payments.stripe_api import StripeApi
from checkout.release import self_check
from checkout.sessions.create import CreateSession
from checkout.sessions.session_request import SessionRequest
from tests.support.functions import Functions, bearer
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator


def seconds_left_today() -> float:
    now = datetime.now(UTC)
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    return (midnight - now).total_seconds()


@pytest.mark.parametrize(
    ("name", "value"), [("DAILY_COUNT_LIMIT", "5"), ("DAILY_AMOUNT_CENTS_LIMIT", "2999")]
)
def test_twenty_at_once_with_room_for_five_are_exactly_five(
    fns: Functions, stripe: Simulator, name: str, value: str
) -> None:
    config = Config({**fns.settings, name: value, "MAX_OPEN_SESSIONS_PER_HOUR": "100"})

    def ask(_: int) -> bool:
        create = CreateSession(
            Database(config.checkout_database_url),
            Database(config.database_url),
            StripeApi(config.stripe_secret, config.stripe_api_base),
            config,
        )
        try:
            create(SessionRequest(1, 500, None, None), "https://pay.example.com")
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(ask, range(20))) == 5
    assert len(fns.checkout("SELECT 1 FROM checkout_transactions")) == 5


def test_the_answer_names_the_limit_and_when_it_ends(fns: Functions, stripe: Simulator) -> None:
    fns.set(DAILY_COUNT_LIMIT="1")
    request_id = str(uuid4())
    body = {"amount_cents": 500, "request_id": request_id}
    assert fns.create(body).status == 201

    refused = fns.create({"amount_cents": 500})

    assert refused.status == 429
    assert abs(int(refused.headers["Retry-After"]) - seconds_left_today()) < 10
    assert "Payments begun in a day: at most 1" in refused.json["detail"]
    assert "T00:00:00.000Z" in refused.json["detail"]
    assert fns.create(body).status == 200, "a replay adds nothing"
    fns.add_users(2)
    assert fns.create({"amount_cents": 500}, bearer(2)).status == 201, "another user has limits of his own"


def test_what_is_left_of_the_amount_can_still_be_paid(fns: Functions, stripe: Simulator) -> None:
    fns.set(DAILY_AMOUNT_CENTS_LIMIT="1000")
    assert fns.create({"amount_cents": 700}).status == 201
    refused = fns.create({"amount_cents": 301})
    assert (refused.status, "300 are left" in refused.json["detail"]) == (429, True)
    assert fns.create({"amount_cents": 300}).status == 201


def test_what_counts(fns: Functions, stripe: Simulator) -> None:
    fns.set(DAILY_AMOUNT_CENTS_LIMIT="1000")

    def asked(amount: int = 1000) -> int:
        return fns.create({"amount_cents": amount}).status

    def end(status: str) -> None:
        fns.checkout("UPDATE checkout_transactions SET status = %s", (status,))

    for without_payment in ("session_failed", "session_expired", "payment_failed"):
        assert asked() == 201
        end(without_payment)
    for to_be_paid in ("session_pending", "payment_processing"):
        assert asked() == 201
        end(to_be_paid)
        assert asked() == 429
        end("session_expired")
    created = fns.create({"amount_cents": 1000}).json
    fns.webhook(event(session_object(created["request_id"], session_id=created["session_id"], amount=900)))
    assert asked(101) == 429
    assert asked(100) == 201, "a succeeded one counts as paid"


def test_a_new_day_begins_at_midnight_utc(fns: Functions, stripe: Simulator) -> None:
    fns.set(DAILY_COUNT_LIMIT="1")
    fns.create({"amount_cents": 500})
    today = "date_trunc('day', now(), 'UTC')"
    fns.checkout(f"UPDATE checkout_transactions SET created_at = {today}")
    assert fns.create({"amount_cents": 500}).status == 429
    fns.checkout(f"UPDATE checkout_transactions SET created_at = {today} - interval '1 ms'")
    assert fns.create({"amount_cents": 500}).status == 201


@pytest.mark.parametrize("name", ["DAILY_COUNT_LIMIT", "DAILY_AMOUNT_CENTS_LIMIT"])
@pytest.mark.parametrize("value", ["0", "many"])
def test_an_unusable_limit_is_named(fns: Functions, name: str, value: str) -> None:
    fns.set(**{name: value})
    with pytest.raises(ConfigurationError, match=f"^{name} must be a whole number of at least 1"):
        fns.invoke("create_session", self_check.EVENT)
    answer = fns.create({"amount_cents": 500})
    assert (answer.status, name in answer.json["detail"]) == (503, True), "if it is changed later"
