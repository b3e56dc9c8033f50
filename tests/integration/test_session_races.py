"""What another process does to a request while Stripe is asked for its session, or while it is refused."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from checkout.base import postgres
from checkout.base.errors import StripeOutcomeUnknown, StripeRefused, StripeRefusedForGood
from checkout.payments.payment import Payment
from checkout.payments.stripe_api import CreatedSession, StripeApi
from checkout.sessions import create
from tests.support import functions
from tests.support.brokers import AnyBroker
from tests.support.functions import Answer, Functions, requested
from tests.support.second_connection import second_connection, waiting
from tests.support.stripe_events import event, session_object
from tests.support.tail import Tail

Answers = Callable[[], CreatedSession]


class AskedStripe(StripeApi):
    """Each call to create a session does and answers what comes next."""

    def __init__(self) -> None:
        self.next: list[Answers] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def create_session(self, parameters: dict[str, Any], idempotency_key: str) -> CreatedSession:
        self.sent.append((idempotency_key, parameters))
        return self.next.pop(0)()


@pytest.fixture
def asked(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> AskedStripe:
    stripe = AskedStripe()
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "20s")
    functions.override(monkeypatch, stripe_api=stripe)
    return stripe


def wanted() -> dict[str, Any]:
    return {"amount_cents": 500, "request_id": str(uuid4())}


def session(session_id: str) -> Answers:
    return lambda: CreatedSession(session_id, f"https://stripe.example.com/{session_id}", None)


def unanswered() -> CreatedSession:
    raise StripeOutcomeUnknown("Stripe did not answer.")


def refusal(detail: str, kind: type[StripeRefused] = StripeRefused) -> Answers:
    def answer() -> CreatedSession:
        raise kind(detail)

    return answer


def after(meanwhile: Callable[[], object], answer: Answers) -> Answers:
    """While Stripe works on it, something else happens."""

    def answered() -> CreatedSession:
        meanwhile()
        return answer()

    return answered


def fails_once_read(monkeypatch: pytest.MonkeyPatch, attempt: Callable[[], Answer]) -> None:
    """Another process's attempt fails once the next one has read the row, and before it looks at that."""
    check = create._require_not_refused

    def overtaken(row: Payment) -> None:
        monkeypatch.setattr(create, "_require_not_refused", check)
        assert attempt().status == 502

    monkeypatch.setattr(create, "_require_not_refused", overtaken)


def test_a_session_that_was_stored_meanwhile_is_not_replaced_by_another(
    fns: Functions, asked: AskedStripe
) -> None:
    """The customer of the one that is stored may be paying it."""
    body = wanted()
    first = session_object(body["request_id"], session_id="cs_first", payment_status="unpaid")
    asked.next = [after(lambda: fns.webhook(event(first)), session("cs_second"))]

    assert fns.create(body).json["session_id"] == "cs_first"

    row = fns.row(body["request_id"])
    assert (row["stripe_session_id"], row["status"]) == ("cs_first", "payment_processing")


def test_a_session_that_is_stored_again_does_not_move_its_payment_back(
    fns: Functions, asked: AskedStripe
) -> None:
    body = wanted()

    def stored_and_paid() -> None:
        fns.create(body)
        fns.webhook(event(session_object(body["request_id"], session_id="cs_first")))

    asked.next = [after(stored_and_paid, session("cs_first")), session("cs_first")]
    answer = fns.create(body)
    assert (answer.status, answer.json["session_id"]) == (201, "cs_first")
    assert fns.row(body["request_id"])["status"] == "payment_succeeded"


def test_two_processes_that_ask_for_the_same_request_give_the_customer_the_same_session(
    fns: Functions, asked: AskedStripe
) -> None:
    body = wanted()
    other: list[Any] = []
    asked.next = [
        after(lambda: other.append(fns.create(body)), session("cs_late")),
        session("cs_early"),
    ]

    answer = fns.create(body)

    assert other[0].json == answer.json
    assert answer.json["session_id"] == "cs_early"


def test_a_session_that_is_being_stored_is_the_answer_once_that_commits(
    fns: Functions, asked: AskedStripe
) -> None:
    body, url = wanted(), fns.settings["CHECKOUT_DATABASE_URL"]
    asked.next = [session("cs_late")]
    fns.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, credit_cents, currency,"
        " purpose, status, stripe_parameters)"
        " VALUES (%s, 1, 500, 500, 'eur', 'balance_topup', 'session_pending', '{}')",
        [body["request_id"]],
    )
    with second_connection(url) as other:
        other.execute("UPDATE checkout_transactions SET stripe_session_id = 'cs_early'")
        creating = waiting(url, lambda: fns.create(body))
        other.commit()
        assert creating.result(20).json["session_id"] == "cs_early"
    assert fns.row(body["request_id"])["stripe_session_id"] == "cs_early"


def test_a_failure_does_not_take_a_newer_attempt_back(fns: Functions, asked: AskedStripe) -> None:
    """Its idempotency key stands for an error at Stripe, which would be replayed."""
    body = wanted()

    def two_more_attempts() -> None:
        assert [fns.create(body).status for _ in range(2)] == [502, 502]

    asked.next = [after(two_more_attempts, refusal("first")), refusal("second"), refusal("third")]
    assert fns.create(body).status == 502

    row = fns.row(body["request_id"])
    assert (row["stripe_attempt"], row["error_message"]) == (3, "third")


def test_the_attempt_after_one_that_failed_meanwhile_has_an_expiry(
    fns: Functions, asked: AskedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent without one, its idempotency key would stand for other parameters than are stored later."""
    fns.set(SESSION_EXPIRES_IN_MINUTES="60")
    body = wanted()
    asked.next = [refusal("first"), refusal("second"), session("cs_third")]
    assert fns.create(body).status == 502
    fails_once_read(monkeypatch, lambda: fns.create(body))
    assert fns.create(body).status == 201

    key, parameters = asked.sent[-1]
    assert key == f"{body['request_id']}:3"
    assert parameters["expires_at"] == fns.row(body["request_id"])["stripe_parameters"]["expires_at"]
    assert parameters["expires_at"] is not None


def test_what_was_refused_for_good_meanwhile_is_not_asked_for_again(
    fns: Functions, asked: AskedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe would have a session of which nobody hears."""
    fns.set(SESSION_EXPIRES_IN_MINUTES="60")
    body = wanted()
    asked.next = [refusal("first"), refusal("second", StripeRefusedForGood), session("cs_third")]
    assert fns.create(body).status == 502
    fails_once_read(monkeypatch, lambda: fns.create(body))
    assert fns.create(body).status == 409

    assert len(asked.sent) == 2


def test_an_attempt_sends_the_expiry_that_another_process_has_kept_for_it(
    fns: Functions, asked: AskedStripe, monkeypatch: pytest.MonkeyPatch
) -> None:
    fns.set(SESSION_EXPIRES_IN_MINUTES="60")
    body = wanted()
    asked.next = [refusal("first"), unanswered, session("cs_second")]
    assert fns.create(body).status == 502

    def attempt() -> Answer:
        with fns.set(SESSION_EXPIRES_IN_MINUTES="31"):
            return fns.create(body)

    fails_once_read(monkeypatch, attempt)
    assert fns.create(body).status == 201

    kept, sent = asked.sent[-2:]
    assert sent == kept


def test_a_failure_is_not_written_over_a_session_that_was_created_meanwhile(
    fns: Functions, asked: AskedStripe
) -> None:
    body = wanted()
    asked.next = [after(lambda: fns.create(body), refusal("too late")), session("cs_first")]
    assert fns.create(body).status == 502

    row = fns.row(body["request_id"])
    assert (row["status"], row["error_message"], row["stripe_attempt"]) == ("session_created", None, 1)
    assert fns.create(body).json["session_id"] == "cs_first"


def test_a_failure_is_not_written_next_to_a_session_whatever_the_state(
    fns: Functions, asked: AskedStripe
) -> None:
    body = wanted()

    def store() -> None:
        fns.checkout("UPDATE checkout_transactions SET stripe_session_id = 'cs_first'")

    asked.next = [after(store, refusal("too late"))]
    assert fns.create(body).status == 502

    row = fns.row(body["request_id"])
    assert (row["status"], row["error_message"], row["stripe_attempt"]) == ("session_pending", None, 1)


def test_a_failure_is_not_written_over_a_payment_without_a_session(
    fns: Functions, asked: AskedStripe
) -> None:
    body = wanted()

    def pay() -> None:
        fns.checkout("UPDATE checkout_transactions SET status = 'payment_processing'")

    asked.next = [after(pay, refusal("too late"))]
    assert fns.create(body).status == 502
    assert fns.row(body["request_id"])["status"] == "payment_processing"


def test_a_request_that_is_refused_while_somebody_else_begins_it_comes_again(
    fns: Functions, asked: AskedStripe, broker: AnyBroker
) -> None:
    """The user signs up at this moment, and asks for the same over HTTP."""
    request = requested(user_id=7)
    tail = Tail(broker.address)
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as other:
        other.execute(
            "INSERT INTO checkout_transactions"
            " (request_id, user_id, amount_cents, currency, purpose, status, stripe_session_id)"
            " VALUES (%s, 7, 500, 'eur', 'balance_topup', 'session_created', 'cs_first')",
            (request["request_id"],),
        )
        asking = waiting(fns.settings["CHECKOUT_DATABASE_URL"], lambda: fns.ask(request))
        other.commit()
        assert asking.result(20) == [(0, 0)]
    row = fns.row(request["request_id"])
    assert (row["status"], row["error_message"]) == ("session_created", None)

    assert fns.ask(request) == []
    [answer] = [json.loads(record.value) for record in tail.read()]
    assert (answer["status"], answer["session_id"]) == ("session_created", "cs_first")


def test_a_refusal_is_not_written_over_an_earlier_one(fns: Functions, asked: AskedStripe) -> None:
    """The same message gets the same answer, whichever process was faster."""
    request = requested(user_id=7)
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as other:
        other.execute(
            "INSERT INTO checkout_transactions"
            " (request_id, user_id, amount_cents, currency, purpose, status, error_message, completed_at)"
            " VALUES (%s, 7, 500, 'eur', 'balance_topup', 'session_failed', 'the first reason', now())",
            (request["request_id"],),
        )
        asking = waiting(fns.settings["CHECKOUT_DATABASE_URL"], lambda: fns.ask(request))
        other.commit()
        assert asking.result(20) == []
    assert fns.row(request["request_id"])["error_message"] == "the first reason"


def test_a_request_that_is_refused_while_another_one_under_its_id_is_refused_is_parked(
    fns: Functions, asked: AskedStripe, broker: AnyBroker
) -> None:
    """The other one's answer is none of its sender's business."""
    request = requested(user_id=7)
    tail = Tail(broker.address)
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as other:
        other.execute(
            "INSERT INTO checkout_transactions"
            " (request_id, user_id, amount_cents, currency, purpose, status, error_message, completed_at)"
            " VALUES (%s, 8, 500, 'eur', 'balance_topup', 'session_failed', 'of user 8', now())",
            (request["request_id"],),
        )
        asking = waiting(fns.settings["CHECKOUT_DATABASE_URL"], lambda: fns.ask(request))
        other.commit()
        assert asking.result(20) == []
    assert len(fns.application("SELECT 1 FROM parked_events")) == 1
    assert tail.read() == []


def test_a_users_requests_are_counted_one_after_the_other(fns: Functions, asked: AskedStripe) -> None:
    """One that another process is about to commit counts."""
    fns.set(MAX_OPEN_SESSIONS_PER_HOUR="1")
    functions.forget_wiring()
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout user 1', 0))")
        other.execute(
            "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
            " VALUES ('first', 1, 500, 'eur', 'balance_topup', 'session_pending')"
        )
        url = fns.settings["CHECKOUT_DATABASE_URL"]
        creating = waiting(url, lambda: fns.create({"amount_cents": 500}))
        other.commit()
        assert creating.result(20).status == 429


def test_the_row_is_committed_before_stripe_is_asked(fns: Functions, asked: AskedStripe) -> None:
    body = wanted()
    seen: list[Any] = []
    asked.next = [after(lambda: seen.append(fns.row(body["request_id"])), session("cs_first"))]
    assert fns.create(body).status == 201
    assert seen[0]["status"] == "session_pending"


def test_nobody_waits_for_stripe_while_it_is_asked(fns: Functions, asked: AskedStripe) -> None:
    """The row can be moved by its events: no lock is held."""
    body = wanted()

    def lock() -> None:
        with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as other:
            other.execute("SELECT 1 FROM checkout_transactions FOR UPDATE NOWAIT")
            other.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout user 1', 0))")

    asked.next = [after(lock, session("cs_first"))]
    assert fns.create(body).status == 201
