"""One payment was credited more than once.

| incident | what happened | safeguard |
|---|---|---|
| Significant-Gravitas/AutoGPT #10672 | two deliveries at once both found it unpaid: $160 and $50 made $260 | the event is looked up again under the payment's lock |
| wasp-lang/open-saas #688 | the payment came again in an event with another id | a payment's state only rises, and only a rise is published |
| anomalyco/opencode #28402 | the webhook was sent again after a timeout | the effect key, which the ledger takes once |
| theopenco/llmgateway #1713 | the handler looked for no earlier credit | what the ledger has is not entered again |
| Couchers-org/couchers #1664 | a payment intent was not unique, so it could be entered twice | one credit a payment intent, in the ledger's own index |
| resonatecoop/api #48 | visiting the return page again added the credits again | what the browser reaches has no right to write a payment |
| getlago/lago-api #5870 | the same top-up was accepted twice by the API | a request_id has one session |
"""  # noqa: E501

from contextlib import closing
from uuid import uuid4

import psycopg2
import pytest

from checkout.base import postgres
from checkout.base.config import Config
from checkout.payments import stripe_event
from checkout.release.privileges import role_of
from checkout.system import System
from tests.support import functions
from tests.support.functions import Functions, finished
from tests.support.inbox import outcome
from tests.support.published import Published
from tests.support.second_connection import second_connection, waiting
from tests.support.stripe_events import encoded, event, session_object
from tests.support.stripe_simulator import Simulator


def test_two_deliveries_at_the_same_moment(
    fns: Functions, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Significant-Gravitas/AutoGPT #10672: two deliveries of one top-up both found it not yet applied, so
    $160 and $50 made $260."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "20s")
    fns.consume(finished(amount_cents=16_000))
    url = fns.settings["CHECKOUT_DATABASE_URL"]
    paid = encoded(event(session_object(str(uuid4()), amount=5_000, payment_intent="pi_1")))

    def deliver() -> str:
        with closing(System(Config(fns.settings))) as environment:
            return environment.stripe_events.record(stripe_event.parsed(paid))

    with second_connection(url) as other:
        # Both have looked, and found nothing, when the first of them gets the payment's lock.
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout payment pi_1', 0))")
        first = waiting(url, deliver)
        second = waiting(url, deliver, waiters=2)
        other.commit()
        outcomes = sorted(one.result(20) for one in (first, second))
    assert outcomes == ["applied", "duplicate"]
    assert published.balance() == 21_000


def test_the_payment_in_an_event_with_another_id(fns: Functions, published: Published) -> None:
    """wasp-lang/open-saas #688: the payment was granted again for an event with another id, for a parallel
    delivery, and for one after a restart."""
    session = session_object(str(uuid4()))
    first = event(session)
    assert outcome(fns, first) == "applied"
    assert outcome(fns, event(session)) == "applied"
    functions.forget_wiring()
    assert outcome(fns, first) == "duplicate"
    assert published.balance() == 500
    assert len(published.records) == 1


def test_a_webhook_that_is_sent_again(fns: Functions, published: Published) -> None:
    """anomalyco/opencode #28402: Stripe sent the webhook again after a timeout, and the amount was added
    again."""
    paid = event(session_object(str(uuid4())))
    for _ in range(3):
        assert fns.webhook(paid).status == 200
    # Kafka may deliver again, too, whatever the webhook did.
    assert [published.balance(), published.again(), published.again()] == [500, 500, 500]
    [entry] = fns.application("SELECT effect_key FROM ledger_entries")
    assert entry["effect_key"] == f"success:{paid['data']['object']['metadata']['request_id']}"
    [answer] = fns.get("/checkout/transactions").json["transactions"]
    assert answer["credited"] is True


def test_a_handler_that_looks_for_no_earlier_credit(fns: Functions) -> None:
    """theopenco/llmgateway #1713: the handler added the credits without a look at what was already entered
    for the payment."""
    credited, other = finished(), finished()
    fns.consume(credited)
    fns.consume(credited, other, credited)
    assert fns.balance() == 1000
    assert fns.application("SELECT 1 FROM parked_events") == []


def test_a_payment_intent_under_two_names(fns: Functions) -> None:
    """Couchers-org/couchers #1664: the column with the payment intent was not unique, so a payment that came
    twice was two invoices."""
    fns.consume(finished("r1", payment_intent_id="pi_1"), finished("r2", payment_intent_id="pi_1"))
    fns.consume(finished("r3", payment_intent_id="pi_1"))
    assert fns.balance() == 500
    assert len(fns.application("SELECT 1 FROM ledger_entries")) == 1


def test_the_return_page_again_and_again(fns: Functions, published: Published) -> None:
    """resonatecoop/api #48: whoever visited the return page of a purchase again got its credits again."""
    request_id = str(uuid4())
    assert outcome(fns, event(session_object(request_id))) == "applied"
    assert published.balance() == 500
    for _ in range(3):
        returned = fns.get("/checkout/sessions/{request_id}", path={"request_id": request_id})
        assert returned.json["paid_cents"] == 500
    assert published.balance() == 500
    for function in ("account", "create_session"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            fns.checkout(
                f"SET LOCAL ROLE {role_of(function)};"
                " UPDATE checkout_transactions SET paid_cents = 1000, paid_currency = 'eur'"
            )


def test_the_same_top_up_from_the_api_twice(fns: Functions, stripe: Simulator, published: Published) -> None:
    """getlago/lago-api #5870: the same top-up was sent twice, and both were accepted and charged."""
    request_id = str(uuid4())
    wanted = {"amount_cents": 1000, "request_id": request_id}
    first, again = fns.create(wanted), fns.create(wanted)
    assert (first.status, again.status) == (201, 200)
    assert first.json["session_id"] == again.json["session_id"]
    assert len(stripe.sessions_of(request_id)) == 1
    paid = session_object(request_id, amount=1000, session_id=first.json["session_id"])
    assert outcome(fns, event(paid)) == "applied"
    assert published.balance() == 1000
