"""Refunds and disputes: before their payment, at the same moment as it, of payments that are not ours."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.errors import StripeNotReached
from checkout.base.postgres import Database
from checkout.operations.verbs.held import HeldEvents
from checkout.outbox.delivery import Delivery
from checkout.outbox.producer import KafkaPublisher
from checkout.payments.events import StripeEvents
from checkout.payments.stripe_api import StripeApi
from tests.support.functions import Functions, system
from tests.support.inbox import outcome, parsed, states, stored
from tests.support.kept_messages import KeptMessages
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.stripe_simulator import Simulator

MANY = 60


def test_a_refund_before_its_payment_waits_and_is_applied_with_it(fns: Functions, known: KnownStripe) -> None:
    request_id = str(uuid4())
    taken_back = refund("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    early = event(taken_back, "refund.created")

    assert outcome(fns, early) == "waiting"
    assert states(fns) == {"refunded": "waiting"}
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []

    assert outcome(fns, event(session_object(request_id, payment_intent="pi_1"))) == "applied"
    assert (stored(fns, early)["outcome"], stored(fns, early)["request_id"]) == ("applied", request_id)
    assert states(fns) == {"refunded": "emitted"}
    assert fns.row(request_id)["refunded_cents"] == 500


def test_a_dispute_of_a_debit_that_has_not_settled_waits(fns: Functions, known: KnownStripe) -> None:
    """The row is there, and tells whose it is, so that Stripe is asked for the dispute alone."""
    request_id = str(uuid4())
    unpaid = session_object(request_id, payment_intent="pi_1", payment_status="unpaid")
    withdrawn = dispute("pi_1", -500)
    known.knows(withdrawn["id"], withdrawn)
    assert outcome(fns, event(unpaid)) == "applied"

    assert outcome(fns, event(withdrawn, "charge.dispute.funds_withdrawn")) == "waiting"
    assert known.asked == [withdrawn["id"]]

    paid = event({**unpaid, "payment_status": "paid"}, "checkout.session.async_payment_succeeded")
    assert outcome(fns, paid) == "applied"
    assert fns.row(request_id)["disputed_cents"] == 500


def test_the_session_says_what_was_taken_back(fns: Functions, known: KnownStripe) -> None:
    request_id = str(uuid4())

    def shown() -> tuple[int, int]:
        session = fns.get("/checkout/sessions/{request_id}", path={"request_id": request_id}).json
        [listed] = fns.get("/checkout/transactions").json["transactions"]
        assert listed == session
        return session["refunded_cents"], session["disputed_cents"]

    assert outcome(fns, event(session_object(request_id, payment_intent="pi_1"))) == "applied"
    assert shown() == (0, 0)
    for resource, event_type in (
        (refund("pi_1", amount=200), "refund.created"),
        (dispute("pi_1", -500), "charge.dispute.funds_withdrawn"),
    ):
        known.knows(resource["id"], resource)
        assert outcome(fns, event(resource, event_type)) == "applied"
    assert shown() == (200, 500)


def test_what_moved_nothing_yet_does_not_wait(fns: Functions, known: KnownStripe) -> None:
    pending, opened = refund("pi_1", status="pending"), dispute("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    for resource, event_type in ((pending, "refund.created"), (opened, "charge.dispute.created")):
        known.knows(resource["id"], resource)
        assert outcome(fns, event(resource, event_type)) == "applied"
    assert states(fns) == {}


@pytest.mark.parametrize("status", ["failed", "canceled"])
def test_a_refund_of_a_debit_that_fails_does_not_wait(
    fns: Functions, known: KnownStripe, status: str
) -> None:
    """Stripe cancels it with the debit, so it would wait for ever."""
    request_id = str(uuid4())
    unpaid = session_object(request_id, payment_intent="pi_1", payment_status="unpaid")
    assert outcome(fns, event(unpaid)) == "applied"
    assert outcome(fns, event(unpaid, "checkout.session.async_payment_failed")) == "applied"
    canceled = refund("pi_1", status=status)
    known.knows(canceled["id"], canceled)

    assert outcome(fns, event(canceled, "refund.failed")) == "applied"


def test_a_refund_that_is_canceled_before_its_debit_fails_is_settled_by_that(
    fns: Functions, known: KnownStripe
) -> None:
    request_id = str(uuid4())
    unpaid = session_object(request_id, payment_intent="pi_1", payment_status="unpaid")
    assert outcome(fns, event(unpaid)) == "applied"
    failed = refund("pi_1", status="failed")
    known.knows(failed["id"], failed)
    early = event(failed, "refund.failed")
    assert outcome(fns, early) == "waiting"

    assert outcome(fns, event(unpaid, "checkout.session.async_payment_failed")) == "applied"

    assert system().stripe_events.retry(early["id"]) == "applied"
    assert set(states(fns).values()) == {"waiting"}, "it is emitted if the payment comes after all"


def test_a_fee_that_a_dispute_lists_is_not_taken_from_the_user(fns: Functions, known: KnownStripe) -> None:
    request_id = str(uuid4())
    assert outcome(fns, event(session_object(request_id, payment_intent="pi_1"))) == "applied"
    withdrawn = dispute("pi_1", -500)
    fee = {"id": "txn_fee", "amount": -1500, "currency": "eur", "created": 2, "reporting_category": "fee"}
    withdrawn["balance_transactions"].append(fee)
    known.knows(withdrawn["id"], withdrawn)

    assert outcome(fns, event(withdrawn, "charge.dispute.funds_withdrawn")) == "applied"
    assert fns.row(request_id)["disputed_cents"] == 500


@pytest.mark.parametrize(
    ("make", "event_type"),
    [(refund, "refund.created"), (dispute, "charge.dispute.created")],
    ids=["refund", "dispute"],
)
def test_what_is_of_another_applications_payment_is_ignored_and_not_read(
    fns: Functions, known: KnownStripe, make: Callable[[str], dict[str, Any]], event_type: str
) -> None:
    known.knows("pi_foreign", payment_intent("pi_foreign", checkout_app="another"))
    assert outcome(fns, event(make("pi_foreign"), event_type)) == "ignored"
    assert known.asked == ["pi_foreign"]


def test_a_charge_without_a_payment_intent_is_ignored_and_nothing_is_read(
    fns: Functions, known: KnownStripe
) -> None:
    charge = {"id": "ch_1", "object": "charge", "payment_intent": None}
    assert outcome(fns, event(charge, "charge.refunded")) == "ignored"
    assert known.asked == []


@pytest.mark.parametrize("row_is_there", [True, False])
def test_a_reversal_of_another_purpose_is_ignored(
    fns: Functions, known: KnownStripe, row_is_there: bool
) -> None:
    known.knows("pi_1", payment_intent("pi_1", purpose="gift"))
    if row_is_there:
        gift = session_object(str(uuid4()), payment_intent="pi_1")
        gift["metadata"]["purpose"] = "gift"
        assert outcome(fns, event(gift)) == "applied"

    assert outcome(fns, event(refund("pi_1"), "refund.created")) == "ignored"

    assert known.asked == ([] if row_is_there else ["pi_1"])
    assert states(fns) == {}


@pytest.mark.parametrize("row_is_there", [True, False])
def test_the_wrong_mode_is_held_and_stripe_is_not_asked(
    fns: Functions, known: KnownStripe, capsys: pytest.CaptureFixture[str], row_is_there: bool
) -> None:
    if row_is_there:
        assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"
    live = event(refund("pi_1"), "refund.created", livemode=True)

    assert outcome(fns, live) == "held"

    assert "livemode" in stored(fns, live)["reason"]
    assert "StripeEventHeld" in capsys.readouterr().out
    assert (known.asked, states(fns)) == ([], {})


def test_a_discarded_refund_is_not_emitted_with_its_payment(fns: Functions, known: KnownStripe) -> None:
    taken_back = refund("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    early = event(taken_back, "refund.created")
    assert outcome(fns, early) == "waiting"

    HeldEvents(system()).discard(early["id"], reason="made up")
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"

    assert states(fns) == {"refunded": "held"}
    assert stored(fns, early)["outcome"] == "ignored"


@pytest.mark.parametrize("comes_first", ["payment", "refund"])
def test_another_currency_than_the_payments_is_held_and_loud(
    fns: Functions, known: KnownStripe, capsys: pytest.CaptureFixture[str], comes_first: str
) -> None:
    request_id = str(uuid4())
    dollars = refund("pi_1", currency="usd")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(dollars["id"], dollars)
    events = [event(session_object(request_id, payment_intent="pi_1")), event(dollars, "refund.created")]
    for told in events if comes_first == "payment" else events[::-1]:
        fns.webhook(told)

    assert states(fns) == {"refunded": "held"}
    assert stored(fns, events[1])["outcome"] == "held"
    assert fns.row(request_id)["refunded_cents"] == 0
    assert "ReversalHeld" in capsys.readouterr().out


def test_nonsense_that_stripe_answers_is_held(fns: Functions, known: KnownStripe) -> None:
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"
    without_list = {**dispute("pi_1"), "balance_transactions": None}
    for resource, event_type in (
        (refund("pi_1", status="reversed"), "refund.updated"),
        (refund("pi_1", amount=0), "refund.created"),
        (refund("pi_1", currency=None), "refund.created"),
        (without_list, "charge.dispute.created"),
    ):
        known.knows(resource["id"], resource)
        assert outcome(fns, event(resource, event_type)) == "held"
    assert states(fns) == {}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_stripe_away_while_it_is_read_stores_nothing_so_that_it_is_sent_again(
    fns: Functions, stripe: Simulator, status: int
) -> None:
    request_id = str(uuid4())
    assert outcome(fns, event(session_object(request_id, payment_intent="pi_1"))) == "applied"
    stripe.fault(path_prefix="/v1/refunds", method="GET", status=status, times=100)
    told = event(refund("pi_1"), "refund.created")

    answer = fns.webhook(told)

    assert answer.status == 502
    assert answer.json["status"] == 502
    assert fns.checkout("SELECT 1 FROM stripe_events WHERE event_id = %s", (told["id"],)) == []
    assert states(fns) == {}


def test_a_stripe_that_cannot_be_reached_is_502_too(fns: Functions) -> None:
    fns.set(STRIPE_API_BASE="http://127.0.0.1:1")
    assert fns.webhook(event(refund("pi_1"), "refund.created")).status == 502
    assert fns.checkout("SELECT 1 FROM stripe_events") == []


def test_a_refund_that_nobody_could_read_is_not_settled_by_its_payment(fns: Functions) -> None:
    """It is stored where it would not be sent again; what it takes back is not known yet."""
    stripe = KnownStripe(payment_intent("pi_1"))
    taken_back = refund("pi_1")
    early = event(taken_back, "refund.created")

    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached; try again.")

    stripe.knows(taken_back["id"], away)
    events = stripe_events(system().checkout_database, stripe, KeptMessages())
    request_id = str(uuid4())
    assert events.record(parsed(early), keep_unread=True) == "waiting"
    assert events.record(parsed(event(session_object(request_id, payment_intent="pi_1")))) == "applied"
    assert stored(fns, early)["outcome"] == "waiting"

    stripe.knows(taken_back["id"], taken_back)
    assert events.retry(early["id"]) == "applied"
    assert fns.row(request_id)["refunded_cents"] == 500


def stripe_events(checkout: Database, stripe: StripeApi, publisher: KafkaPublisher) -> StripeEvents:
    return StripeEvents(checkout, lambda: stripe, Delivery(checkout, publisher), system().config)


class Handler:
    """A webhook of its own: with a connection, and a Stripe, of its own."""

    def __init__(self, checkout: Database, publisher: KafkaPublisher) -> None:
        self.stripe = KnownStripe()
        self._events = stripe_events(checkout, self.stripe, publisher)

    def record(self, told: dict[str, Any], at: threading.Barrier) -> str:
        read = parsed(told)
        at.wait(60)
        return self._events.record(read)


@pytest.fixture
def messages() -> KeptMessages:
    return KeptMessages()


@pytest.fixture
def handlers(fns: Functions, messages: KeptMessages) -> Iterator[tuple[Handler, Handler]]:
    url = system().config.checkout_database_url
    with closing(Database(url)) as one, closing(Database(url)) as other:
        yield Handler(one, messages), Handler(other, messages)


def at_once(handlers: tuple[Handler, Handler], *told: dict[str, Any]) -> list[str]:
    """What became of two events that begin to be recorded at the same moment."""
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda handler, one: handler.record(one, barrier), handlers, told))


def emitted(messages: KeptMessages, request_id: str) -> list[str]:
    values = [json.loads(message.value) for message in messages.kept]
    return sorted(value["status"] for value in values if value["request_id"] == request_id)


@pytest.mark.parametrize("kind", ["refund", "dispute"])
def test_a_payment_and_its_reversal_at_the_same_moment(
    fns: Functions, handlers: tuple[Handler, Handler], messages: KeptMessages, kind: str
) -> None:
    request_ids = []
    for number in range(MANY):
        intent, request_id = f"pi_{number}", str(uuid4())
        reversal, event_type, status = (
            (refund(intent), "refund.created", "refunded")
            if kind == "refund"
            else (dispute(intent, -500), "charge.dispute.funds_withdrawn", "disputed")
        )
        handlers[1].stripe.knows(intent, payment_intent(intent))
        handlers[1].stripe.knows(reversal["id"], reversal)
        paid = event(session_object(request_id, payment_intent=intent))

        outcomes = at_once(handlers, paid, event(reversal, event_type))

        assert outcomes in (["applied", "applied"], ["applied", "waiting"])
        assert emitted(messages, request_id) == sorted([status, "success"])
        request_ids.append(request_id)
    assert fns.checkout("SELECT 1 FROM stripe_events WHERE outcome <> 'applied'") == []
    assert fns.checkout("SELECT 1 FROM reversals WHERE state <> 'emitted'") == []
    column = "refunded_cents" if kind == "refund" else "disputed_cents"
    assert [fns.row(request_id)[column] for request_id in request_ids] == [500] * MANY


@pytest.mark.parametrize(
    ("one", "other"),
    [("succeeded", "failed"), ("pending", "failed"), ("requires_action", "canceled")],
)
@pytest.mark.parametrize("paid_before", [True, False])
def test_two_handlers_that_read_different_statuses_of_a_refund_at_the_same_moment(
    fns: Functions,
    handlers: tuple[Handler, Handler],
    messages: KeptMessages,
    one: str,
    other: str,
    paid_before: bool,
) -> None:
    """Whichever commits last: what failed in the end was taken and put back, once."""
    for number in range(MANY // 3):
        intent, request_id = f"pi_{number}", str(uuid4())
        paid = event(session_object(request_id, payment_intent=intent))
        if paid_before:
            fns.webhook(paid)
        taken_back = refund(intent)
        for handler, status in zip(handlers, (one, other), strict=True):
            handler.stripe.knows(intent, payment_intent(intent))
            handler.stripe.knows(taken_back["id"], {**taken_back, "status": status})

        at_once(
            handlers,
            event({**taken_back, "status": one}, "refund.updated"),
            event({**taken_back, "status": other}, "refund.failed"),
        )

        if not paid_before:
            assert emitted(messages, request_id) == []
            handlers[0].record(paid, threading.Barrier(1))
        of_reversals = [status for status in emitted(messages, request_id) if status != "success"]
        assert of_reversals == ["refund_failed", "refunded"]
        assert fns.row(request_id)["refunded_cents"] == 0
    assert fns.checkout("SELECT 1 FROM stripe_events WHERE outcome <> 'applied'") == []
