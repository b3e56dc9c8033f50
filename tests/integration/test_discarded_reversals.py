"""A waiting refund or dispute that an operator has discarded: nothing of it acts, until it is replayed."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.errors import StripeNotReached
from checkout.base.postgres import Database
from checkout.operations.verbs.held import HeldEvents
from checkout.system import System
from tests.support.functions import Functions, system
from tests.support.inbox import outcome, parsed, states, stored
from tests.support.second_connection import second_connection, waiting
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.tail import Tail

REINSTATED = {"id": "txn_reinstated", "amount": 500, "currency": "eur"}


def discarded(fns: Functions, known: KnownStripe, told: dict[str, Any], event_type: str) -> dict[str, Any]:
    """The event of it that came before the payment, and was discarded."""
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(told["id"], told)
    early = event(told, event_type)
    assert outcome(fns, early) == "waiting"
    HeldEvents(system()).discard(early["id"], reason="made up")
    return early


def pay(fns: Functions, amount: int = 500) -> None:
    paid = event(session_object(str(uuid4()), payment_intent="pi_1", amount=amount))
    assert outcome(fns, paid) == "applied"


def told(fns: Functions, known: KnownStripe, resource: dict[str, Any], event_type: str) -> dict[str, Any]:
    """The event of it that came before the payment."""
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(resource["id"], resource)
    made = event(resource, event_type)
    assert outcome(fns, made) == "waiting"
    return made


def won(taken_back: dict[str, Any]) -> dict[str, Any]:
    return {**taken_back, "balance_transactions": [*taken_back["balance_transactions"], REINSTATED]}


@pytest.fixture
def operator(fns: Functions) -> Iterator[HeldEvents]:
    """Somebody with a connection of their own."""
    with closing(Database(system().config.checkout_database_url)) as database:
        yield HeldEvents(
            System(system().config, checkout_database=database, stripe_events=system().stripe_events)
        )


@pytest.mark.parametrize("ends_first", [True, False], ids=["before the payment", "after the payment"])
def test_a_refund_that_fails_after_it_was_discarded_gives_nothing_back(
    fns: Functions, known: KnownStripe, tail: Tail, ends_first: bool
) -> None:
    taken_back = refund("pi_1")
    discarded(fns, known, taken_back, "refund.created")
    known.knows(taken_back["id"], {**taken_back, "status": "failed"})
    if not ends_first:
        pay(fns)

    assert outcome(fns, event(taken_back, "refund.failed")) == "ignored"
    if ends_first:
        pay(fns)

    fns.consume(*tail.read())
    assert states(fns) == {"refunded": "held", "refund_failed": "held"}
    assert fns.balance() == 500


def test_a_dispute_that_is_won_after_it_was_discarded_gives_nothing_back(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    taken_back = dispute("pi_1", -500)
    discarded(fns, known, taken_back, "charge.dispute.funds_withdrawn")
    movements = [*taken_back["balance_transactions"], REINSTATED]
    known.knows(taken_back["id"], {**taken_back, "balance_transactions": movements})

    assert outcome(fns, event(taken_back, "charge.dispute.funds_reinstated")) == "ignored"
    pay(fns)

    fns.consume(*tail.read())
    assert states(fns) == {"disputed": "held", "dispute_won": "held"}
    assert fns.balance() == 500


def test_another_refund_of_the_same_payment_acts(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    discarded(fns, known, refund("pi_1", amount=100), "refund.created")
    other = refund("pi_1", amount=200)
    known.knows(other["id"], other)

    assert outcome(fns, event(other, "refund.created")) == "waiting"
    pay(fns)

    fns.consume(*tail.read())
    assert fns.balance() == 300


def test_replayed_it_acts_after_all(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    taken_back = refund("pi_1")
    early = discarded(fns, known, taken_back, "refund.created")
    pay(fns)

    assert HeldEvents(system()).replay(early["id"]).outcome == "applied"

    fns.consume(*tail.read())
    assert fns.balance() == 0


def acts_once_stripe_shows_it(
    fns: Functions, known: KnownStripe, tail: Tail, replayed: dict[str, Any], taken_back: dict[str, Any]
) -> None:
    """A replay of this event waits, and takes up the refund."""
    again = HeldEvents(system()).replay(replayed["id"])
    assert (again.outcome, again.revived) == ("waiting", [taken_back["id"]])
    known.knows(taken_back["id"], taken_back)
    assert system().stripe_events.retry(replayed["id"]) == "applied"

    fns.consume(*tail.read())
    assert fns.balance() == 0


@pytest.mark.parametrize("is_older", [False, True], ids=["a movement is held", "nothing is stored of it"])
def test_replayed_while_stripe_answers_what_is_older_it_acts_once_stripe_shows_it(
    fns: Functions, known: KnownStripe, tail: Tail, is_older: bool
) -> None:
    """The operator reads `waiting`, and has nothing more to do."""
    taken_back = refund("pi_1")
    older = {**taken_back, "status": "pending"}
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], older if is_older else taken_back)
    early = event(taken_back, "refund.updated")
    assert outcome(fns, early) == "waiting"
    HeldEvents(system()).discard(early["id"], reason="the wrong one")
    pay(fns)

    known.knows(taken_back["id"], older)
    acts_once_stripe_shows_it(fns, known, tail, early, taken_back)


def test_the_reconciler_leaves_alone_what_was_discarded_while_it_read(
    fns: Functions, known: KnownStripe
) -> None:
    taken_back = refund("pi_1")
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], taken_back)
    early = event(taken_back, "refund.created")
    assert outcome(fns, early) == "waiting"

    def meanwhile() -> dict[str, Any]:
        HeldEvents(system()).discard(early["id"], reason="made up")
        return taken_back

    known.knows(taken_back["id"], meanwhile)

    assert system().stripe_events.retry(early["id"]) == "duplicate"
    assert stored(fns, early)["reason"].startswith("discarded: made up")


@pytest.mark.parametrize("discarded", [0, 1], ids=["the first event", "the second event"])
def test_a_discard_is_about_the_dispute_and_not_about_one_of_its_events(
    fns: Functions, known: KnownStripe, tail: Tail, discarded: int
) -> None:
    taken_back = dispute("pi_1", -500)
    both = [
        told(fns, known, taken_back, "charge.dispute.funds_withdrawn"),
        told(fns, known, won(taken_back), "charge.dispute.funds_reinstated"),
    ]

    decided = HeldEvents(system()).discard(both[discarded]["id"], reason="made up")

    assert (decided.objects, decided.events) == ([taken_back["id"]], [both[1 - discarded]["id"]])
    assert {stored(fns, one)["outcome"] for one in both} == {"ignored"}
    pay(fns)
    fns.consume(*tail.read())
    assert states(fns) == {"disputed": "held", "dispute_won": "held"}
    assert fns.balance() == 500


@pytest.mark.parametrize("discarded", [0, 1], ids=["the first event", "the second event"])
def test_a_discard_is_about_the_refund_and_the_credit_is_entered_all_the_same(
    fns: Functions, known: KnownStripe, tail: Tail, discarded: int
) -> None:
    """The failure alone would make `refunded_cents` negative, and the database refuses that."""
    taken_back, other = refund("pi_1", amount=200), refund("pi_1", amount=300)
    both = [
        told(fns, known, taken_back, "refund.created"),
        told(fns, known, {**taken_back, "status": "failed"}, "refund.failed"),
    ]
    told(fns, known, other, "refund.created")

    HeldEvents(system()).discard(both[discarded]["id"], reason="made up")

    pay(fns, 1000)
    fns.consume(*tail.read())
    assert fns.balance() == 700


def test_what_comes_after_the_decision_is_discarded_though_nothing_of_it_was_known(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """Its event waited because Stripe was away, so no movement of it was stored."""
    taken_back = refund("pi_1")

    def away() -> dict[str, Any]:
        raise StripeNotReached("Stripe could not be reached; try again.")

    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(taken_back["id"], away)
    unread = event(taken_back, "refund.created")
    assert system().stripe_events.record(parsed(unread), keep_unread=True) == "waiting"
    HeldEvents(system()).discard(unread["id"], reason="made up")
    pay(fns)

    for status, event_type in (("pending", "refund.updated"), ("succeeded", "refund.updated")):
        known.knows(taken_back["id"], {**taken_back, "status": status})
        assert outcome(fns, event({**taken_back, "status": status}, event_type)) == "ignored"

    fns.consume(*tail.read())
    assert states(fns) == {"refunded": "held"}
    assert fns.balance() == 500


def charge(refunded: int) -> dict[str, Any]:
    return {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": refunded}


def test_the_discard_of_a_charge_is_about_the_refunds_that_it_brought(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    own, brought = refund("pi_1", amount=100), refund("pi_1", amount=200)
    told(fns, known, own, "refund.created")
    known.knows(brought["id"], brought)
    of_charge = told(fns, known, charge(300), "charge.refunded")

    assert HeldEvents(system()).discard(of_charge["id"], reason="made up").objects == [brought["id"]]

    known.knows(brought["id"], {**brought, "status": "failed"})
    assert outcome(fns, event({**brought, "status": "failed"}, "refund.failed")) == "ignored"
    pay(fns)
    fns.consume(*tail.read())
    assert fns.balance() == 400

    assert HeldEvents(system()).replay(of_charge["id"]).outcome == "applied"
    fns.consume(*tail.read())
    assert states(fns) == {"refunded": "emitted", "refund_failed": "emitted"}
    assert fns.balance() == 400


def test_a_replay_of_a_charge_leaves_discarded_what_was_decided_with_another_event(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    taken_back = refund("pi_1")
    discarded(fns, known, taken_back, "refund.created")
    of_charge = event(charge(500), "charge.refunded")
    assert outcome(fns, of_charge) == "ignored"
    pay(fns)

    assert HeldEvents(system()).replay(of_charge["id"]).outcome == "ignored"

    fns.consume(*tail.read())
    assert fns.balance() == 500


def test_a_replay_of_a_charge_that_stripe_s_list_is_behind_takes_up_what_it_brought(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """Also if that was discarded with the refund's own event, as when the list is up to date."""
    taken_back = refund("pi_1")
    known.knows(taken_back["id"], taken_back)
    of_charge = told(fns, known, charge(500), "charge.refunded")
    discarded(fns, known, taken_back, "refund.created")
    assert system().stripe_events.retry(of_charge["id"]) == "ignored"
    pay(fns)

    known.knows(taken_back["id"], lambda: taken_back)  # Not in the list.
    acts_once_stripe_shows_it(fns, known, tail, of_charge, taken_back)


@pytest.mark.parametrize("replayed", [0, 1], ids=["the first event", "the second event"])
def test_a_replay_takes_up_all_movements_of_the_dispute(
    fns: Functions, known: KnownStripe, tail: Tail, replayed: int
) -> None:
    taken_back = dispute("pi_1", -500)
    both = [
        told(fns, known, taken_back, "charge.dispute.funds_withdrawn"),
        told(fns, known, won(taken_back), "charge.dispute.funds_reinstated"),
    ]
    HeldEvents(system()).discard(both[0]["id"], reason="made up")
    pay(fns)

    assert HeldEvents(system()).replay(both[replayed]["id"]).outcome == "applied"

    fns.consume(*tail.read())
    assert states(fns) == {"disputed": "emitted", "dispute_won": "emitted"}
    assert fns.balance() == 500
    assert fns.checkout("SELECT 1 FROM discarded_reversals") == []


@pytest.mark.parametrize("act", ["replay", "discard"])
def test_what_was_emitted_stays_emitted_whatever_is_decided_about_its_event(
    fns: Functions, known: KnownStripe, tail: Tail, act: str
) -> None:
    pay(fns)
    taken_back = refund("pi_1")
    known.knows(taken_back["id"], taken_back)
    created = event(taken_back, "refund.created")
    assert outcome(fns, created) == "applied"
    tail.read()
    fns.checkout("UPDATE stripe_events SET outcome = 'held' WHERE event_id = %s", (created["id"],))

    if act == "replay":
        assert HeldEvents(system()).replay(created["id"]).outcome == "applied"
    else:
        HeldEvents(system()).discard(created["id"], reason="made up")

    assert states(fns) == {"refunded": "emitted"}
    assert tail.read() == []


def test_a_movement_of_a_dispute_that_an_earlier_release_has_discarded_holds_the_others(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """It knew neither disputes nor decisions, and held the movements of one event alone."""
    taken_back = dispute("pi_1", -500)
    first = told(fns, known, taken_back, "charge.dispute.funds_withdrawn")
    told(fns, known, won(taken_back), "charge.dispute.funds_reinstated")
    fns.checkout("UPDATE reversals SET state = 'held' WHERE event_id = %s", (first["id"],))

    pay(fns)

    fns.consume(*tail.read())
    assert states(fns) == {"disputed": "held", "dispute_won": "held"}
    assert fns.balance() == 500


def test_an_operator_who_discards_while_another_event_is_applied_waits_for_it(
    fns: Functions, known: KnownStripe, tail: Tail, operator: HeldEvents
) -> None:
    taken_back = dispute("pi_1", -500)
    first = told(fns, known, taken_back, "charge.dispute.funds_withdrawn")
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as handler:
        handler.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout payment pi_1', 0))")
        decision = waiting(
            fns.settings["CHECKOUT_DATABASE_URL"], lambda: operator.discard(first["id"], reason="made up")
        )
        handler.execute(
            "INSERT INTO reversals (effect_key, kind, source_id, dispute_id, payment_intent_id, amount_cents,"
            " currency, state) VALUES ('dispute_won:txn_reinstated', 'dispute_won', 'txn_reinstated', %s,"
            " 'pi_1', 500, 'eur', 'waiting')",
            (taken_back["id"],),
        )
        handler.commit()
    decision.result(timeout=20)

    assert states(fns) == {"disputed": "held", "dispute_won": "held"}
    pay(fns)
    fns.consume(*tail.read())
    assert fns.balance() == 500


def test_an_event_that_comes_while_the_operator_discards_waits_for_the_decision(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    taken_back = dispute("pi_1", -500)
    first = told(fns, known, taken_back, "charge.dispute.funds_withdrawn")
    known.knows(taken_back["id"], won(taken_back))
    later = event(won(taken_back), "charge.dispute.funds_reinstated")
    with second_connection(fns.settings["CHECKOUT_DATABASE_URL"]) as operator:
        operator.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout payment pi_1', 0))")
        applied = waiting(fns.settings["CHECKOUT_DATABASE_URL"], lambda: outcome(fns, later))
        operator.execute("UPDATE reversals SET state = 'held'")
        operator.execute(
            "INSERT INTO discarded_reversals (object_id, event_id, reason) VALUES (%s, %s, 'made up')",
            (taken_back["id"], first["id"]),
        )
        operator.commit()

    assert applied.result(timeout=20) == "ignored"
    pay(fns)
    fns.consume(*tail.read())
    assert fns.balance() == 500
