"""A waiting refund or dispute that an operator has dropped: nothing of it acts, until it is replayed."""

from typing import Any
from uuid import uuid4

import pytest

from checkout import bootstrap
from tests.integration.test_reversals import outcome, states, stored
from tests.support.brokers import AnyBroker
from tests.support.functions import Functions
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.tail import Tail

REINSTATED = {"id": "txn_reinstated", "amount": 500, "currency": "eur"}


@pytest.fixture
def tail(broker: AnyBroker) -> Tail:
    return Tail(broker.address)


def dropped(fns: Functions, known: KnownStripe, told: dict[str, Any], event_type: str) -> dict[str, Any]:
    """The event of it that came before the payment, and was discarded."""
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(told["id"], told)
    early = event(told, event_type)
    assert outcome(fns, early) == "waiting"
    bootstrap.held_events().discard(early["id"], reason="made up")
    return early


def pay(fns: Functions) -> None:
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"


@pytest.mark.parametrize("ends_first", [True, False], ids=["before the payment", "after the payment"])
def test_a_refund_that_fails_after_it_was_dropped_gives_nothing_back(
    fns: Functions, known: KnownStripe, tail: Tail, ends_first: bool
) -> None:
    taken_back = refund("pi_1")
    dropped(fns, known, taken_back, "refund.created")
    known.knows(taken_back["id"], {**taken_back, "status": "failed"})
    if not ends_first:
        pay(fns)

    assert outcome(fns, event(taken_back, "refund.failed")) == "ignored"
    if ends_first:
        pay(fns)

    fns.consume(*tail.read())
    assert states(fns) == {"refunded": "held", "refund_failed": "held"}
    assert fns.balance() == 500


def test_a_dispute_that_is_won_after_it_was_dropped_gives_nothing_back(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    taken_back = dispute("pi_1", -500)
    dropped(fns, known, taken_back, "charge.dispute.funds_withdrawn")
    movements = [*taken_back["balance_transactions"], REINSTATED]
    known.knows(taken_back["id"], {**taken_back, "balance_transactions": movements})

    assert outcome(fns, event(taken_back, "charge.dispute.funds_reinstated")) == "ignored"
    pay(fns)

    fns.consume(*tail.read())
    assert states(fns) == {"disputed": "held", "dispute_won": "held"}
    assert fns.balance() == 500


def test_another_refund_of_the_same_payment_acts(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    dropped(fns, known, refund("pi_1", amount=100), "refund.created")
    other = refund("pi_1", amount=200)
    known.knows(other["id"], other)

    assert outcome(fns, event(other, "refund.created")) == "waiting"
    pay(fns)

    fns.consume(*tail.read())
    assert fns.balance() == 300


def test_replayed_it_acts_after_all(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    taken_back = refund("pi_1")
    early = dropped(fns, known, taken_back, "refund.created")
    pay(fns)

    assert bootstrap.held_events().replay(early["id"]).outcome == "applied"

    fns.consume(*tail.read())
    assert fns.balance() == 0


def test_the_reconciler_leaves_alone_what_was_dropped_while_it_read(
    fns: Functions, known: KnownStripe
) -> None:
    taken_back = refund("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    early = event(taken_back, "refund.created")
    assert outcome(fns, early) == "waiting"

    def meanwhile() -> dict[str, Any]:
        bootstrap.held_events().discard(early["id"], reason="made up")
        return taken_back

    known.knows(taken_back["id"], meanwhile)

    assert bootstrap.stripe_events().retry(early["id"]) == "duplicate"
    assert stored(fns, early)["reason"].startswith("discarded: made up")
