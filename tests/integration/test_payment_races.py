"""Two processes with one payment at the same moment: the second waits, and sees what the first did."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from checkout.base import postgres
from tests.support import functions
from tests.support.functions import Functions, system
from tests.support.second_connection import SecondConnection, second_connection, waiting
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, payment_intent, refund


@pytest.fixture
def url(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the checkout database; the functions wait for a lock as long as the test takes."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "20s")
    functions.forget_wiring()
    return fns.settings["CHECKOUT_DATABASE_URL"]


def lock_payment_intent(other: SecondConnection, payment_intent_id: str) -> None:
    """As every handler of one of its events does first."""
    other.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"checkout payment {payment_intent_id}",)
    )


def store_waiting_refund(other: SecondConnection, payment_intent_id: str) -> None:
    """As the handler of a refund does whose payment has not succeeded yet."""
    other.execute(
        "INSERT INTO reversals"
        " (effect_key, kind, source_id, amount_cents, currency, payment_intent_id, state)"
        " VALUES ('refunded:re_1', 'refunded', 're_1', 500, 'eur', %s, 'waiting')",
        (payment_intent_id,),
    )


def succeed(other: SecondConnection, request_id: str) -> None:
    other.execute(
        "UPDATE checkout_transactions SET status = 'payment_succeeded', completed_at = now(),"
        " paid_cents = 500, paid_currency = 'eur' WHERE request_id = %s",
        (request_id,),
    )


def outbox(fns: Functions) -> list[str]:
    return [row["effect_key"] for row in fns.checkout("SELECT effect_key FROM outbox ORDER BY effect_key")]


@pytest.mark.parametrize("learns", ["by a webhook", "from the reconciler"])
def test_a_payment_waits_for_the_handler_of_its_refund_and_emits_what_that_stored(
    fns: Functions, url: str, learns: str
) -> None:
    """Otherwise the refund waits for a payment that has succeeded, and nobody emits it."""
    paid = session_object(str(uuid4()), payment_intent="pi_1")
    act: Callable[[], object] = (
        (lambda: fns.webhook(event(paid)))
        if learns == "by a webhook"
        else (lambda: system().stripe_events.observe("checkout.session.completed", paid))
    )
    with second_connection(url) as other:
        lock_payment_intent(other, "pi_1")
        store_waiting_refund(other, "pi_1")
        paying = waiting(url, act)
        other.commit()
        paying.result(20)
    assert fns.checkout("SELECT state FROM reversals") == [{"state": "emitted"}]


def test_a_refund_waits_for_the_handler_of_its_payment_and_is_emitted(
    fns: Functions, url: str, known: KnownStripe
) -> None:
    request_id, taken_back = str(uuid4()), refund("pi_1")
    known.knows(taken_back["id"], taken_back)
    fns.webhook(event(session_object(request_id, payment_intent="pi_1", payment_status="unpaid")))
    with second_connection(url) as other:
        lock_payment_intent(other, "pi_1")
        succeed(other, request_id)
        refunding = waiting(url, lambda: fns.webhook(event(taken_back, "refund.created")))
        other.commit()
        assert refunding.result(20).json["outcome"] == "applied"


def test_a_refund_waits_for_a_change_of_its_payments_row(
    fns: Functions, url: str, known: KnownStripe
) -> None:
    """By the row alone, as an event without a payment intent does."""
    request_id, taken_back = str(uuid4()), refund("pi_1")
    known.knows(taken_back["id"], taken_back)
    fns.webhook(event(session_object(request_id, payment_intent="pi_1", payment_status="unpaid")))
    with second_connection(url) as other:
        succeed(other, request_id)
        refunding = waiting(url, lambda: fns.webhook(event(taken_back, "refund.created")))
        other.commit()
        assert refunding.result(20).json["outcome"] == "applied"
    assert fns.row(request_id)["refunded_cents"] == 500


def test_an_expiry_that_comes_with_the_payment_does_not_take_it_back(fns: Functions, url: str) -> None:
    """It names no payment intent, so only the row makes it wait."""
    request_id = str(uuid4())
    session = session_object(request_id, payment_intent="pi_1", payment_status="unpaid")
    fns.webhook(event(session))
    expired = {**session, "payment_intent": None, "status": "expired"}
    fns.checkout("UPDATE checkout_transactions SET status = 'session_created'")
    with second_connection(url) as other:
        succeed(other, request_id)
        expiring = waiting(url, lambda: fns.webhook(event(expired, "checkout.session.expired")))
        other.commit()
        expiring.result(20)
    row = fns.row(request_id)
    assert (row["status"], row["paid_cents"]) == ("payment_succeeded", 500)


def test_the_same_event_twice_at_once_is_applied_once(fns: Functions, url: str) -> None:
    received = event(session_object(str(uuid4()), payment_intent="pi_1"))
    with second_connection(url) as other:
        other.execute(
            "INSERT INTO stripe_events (event_id, type, payload, payment_intent_id, outcome)"
            " VALUES (%s, %s, '{}', 'pi_1', 'waiting')",
            (received["id"], received["type"]),
        )
        twin = waiting(url, lambda: fns.webhook(received))
        other.commit()
        assert twin.result(20).json["outcome"] == "duplicate"
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []


@pytest.mark.parametrize(("does", "answer"), [("retry", "duplicate"), ("replay", None)])
def test_what_is_settled_while_it_is_tried_again_is_left_alone(
    fns: Functions, url: str, known: KnownStripe, does: str, answer: str | None
) -> None:
    taken_back = refund("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    early = event(taken_back, "refund.created")
    assert fns.webhook(early).json["outcome"] == "waiting"
    events = system().stripe_events
    with second_connection(url) as other:
        other.execute("UPDATE stripe_events SET outcome = 'applied' WHERE event_id = %s", (early["id"],))
        again = waiting(url, lambda: getattr(events, does)(early["id"]))
        other.commit()
        assert again.result(20) == answer


def test_what_is_read_again_while_it_is_discarded_does_not_act(
    fns: Functions, url: str, known: KnownStripe
) -> None:
    """An operator decides about the refund at the moment at which another one has it read again."""
    request_id, taken_back = str(uuid4()), refund("pi_1", id="re_1")
    known.knows("re_1", taken_back)
    fns.webhook(event(session_object(request_id, payment_intent="pi_1")))
    events = system().stripe_events
    with second_connection(url) as operator:
        lock_payment_intent(operator, "pi_1")
        operator.execute(
            "INSERT INTO discarded_reversals (object_id, payment_intent_id, event_id, reason)"
            " VALUES ('re_1', 'pi_1', 'evt_1', 'made up')"
        )
        reading = waiting(url, lambda: events.reread("re_1"))
        operator.commit()
        assert reading.result(20).outcome == "ignored"
    assert fns.row(request_id)["refunded_cents"] == 0
