"""A charge's event reports all its refunds: a decision about one of them says nothing of another."""

from typing import Any
from uuid import uuid4

import pytest

from checkout.operations.verbs.held import HeldEvents
from tests.support.brokers import AnyBroker
from tests.support.functions import Functions, system
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, payment_intent, refund
from tests.support.tail import Tail


def test_of_a_charges_refunds_only_the_discarded_one_does_not_act(
    fns: Functions, known: KnownStripe, broker: AnyBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tail = Tail(broker.address)
    discarded, other = refund("pi_1", amount=100), refund("pi_1", amount=200)
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(discarded["id"], discarded)
    early = event(discarded, "refund.created")
    assert fns.webhook(early).json["outcome"] == "waiting"
    HeldEvents(system()).discard(early["id"], reason="made up", operator="ada")

    def refunds_of(_stripe: KnownStripe, _payment_intent_id: str) -> list[dict[str, Any]]:
        return [discarded, other]

    monkeypatch.setattr(KnownStripe, "refunds_of", refunds_of)
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": 300}
    assert fns.webhook(event(charge, "charge.refunded")).json["outcome"] == "waiting"
    fns.webhook(event(session_object(str(uuid4()), payment_intent="pi_1")))

    fns.consume(*tail.read())
    assert fns.balance() == 300


def test_the_failure_of_a_refund_that_an_earlier_release_has_discarded_is_ignored(
    fns: Functions, known: KnownStripe, broker: AnyBroker
) -> None:
    """That release kept no decisions: it held the movement."""
    tail = Tail(broker.address)
    taken_back = refund("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    fns.webhook(event(taken_back, "refund.created"))
    fns.checkout("UPDATE reversals SET state = 'held'")
    fns.checkout("UPDATE stripe_events SET outcome = 'ignored', reason = 'discarded'")
    fns.webhook(event(session_object(str(uuid4()), payment_intent="pi_1")))

    known.knows(taken_back["id"], {**taken_back, "status": "failed"})
    assert fns.webhook(event(taken_back, "refund.failed")).json["outcome"] == "ignored"

    fns.consume(*tail.read())
    assert fns.balance() == 500
