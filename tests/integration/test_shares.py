"""Refunds and disputes of payments that credit something else than what was paid: in proportion, exactly."""

import json
import random
from typing import Any
from uuid import uuid4

import pytest

from checkout.operations.verbs.held import HeldEvents
from checkout.operations.verbs.verify import Verify
from tests.support import roles
from tests.support.functions import Functions, system
from tests.support.inbox import outcome, states
from tests.support.reconciler import reconcile
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail

RANDOM_PAYMENTS = 12


def session(paid: int, credit: int, intent: str = "pi_1", **more: Any) -> dict[str, Any]:
    made = session_object(str(uuid4()), amount=paid, payment_intent=intent, **more)
    made["metadata"] |= {"amount_cents": str(paid), "credit_cents": str(credit)}
    return made


def pay(fns: Functions, paid: int, credit: int, intent: str = "pi_1") -> str:
    made = session(paid, credit, intent)
    assert outcome(fns, event(made)) == "applied"
    return str(made["metadata"]["request_id"])


def report(fns: Functions, known: KnownStripe, resource: dict[str, Any], event_type: str = "") -> str:
    known.knows(resource["id"], resource)
    kind = "charge.dispute.updated" if resource["object"] == "dispute" else "refund.updated"
    return outcome(fns, event(resource, event_type or kind))


def emitted(fns: Functions, tail: Tail) -> list[tuple[str, int, int | None]]:
    """What has gone to Kafka: status, amount and Stripe's money. It is consumed, and all of it is entered."""
    records = tail.read()
    assert fns.consume(*records) == {"batchItemFailures": []}
    assert fns.application("SELECT reason FROM parked_events") == []
    told = [json.loads(record.value) for record in records]
    return [(one["status"], one["amount_cents"], one["reversed_cents"]) for one in told]


def offences() -> set[str]:
    with roles.acting_as("operations"):
        return {finding.name for finding in Verify(system())() if finding.count}


def test_full_refunds_take_exactly_the_credit_though_one_failed_between(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    request_id = pay(fns, 1000, 1101)
    first, second, third = (refund("pi_1", created=number) for number in range(3))
    for resource in (first, second, {**second, "status": "failed"}, third):
        assert report(fns, known, resource) == "applied"

    assert emitted(fns, tail) == [
        ("success", 1101, None),
        ("refunded", 551, 500),
        ("refunded", 550, 500),
        ("refund_failed", 550, 500),
        ("refunded", 550, 500),
    ]
    assert (fns.balance(), fns.row(request_id)["refunded_cents"]) == (0, 1000)
    assert offences() == set()


def test_a_share_of_nothing_emits_nothing_and_its_failure_can_return_one(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    request_id = pay(fns, 10, 1)
    first, second = refund("pi_1", amount=4, created=1), refund("pi_1", amount=4, created=2)
    assert report(fns, known, first) == "applied"
    assert states(fns) == {"refunded": "emitted"}
    assert emitted(fns, tail) == [("success", 1, None)]
    assert (fns.balance(), fns.row(request_id)["refunded_cents"], offences()) == (1, 4, set())

    report(fns, known, second)
    report(fns, known, {**first, "status": "failed"})

    assert emitted(fns, tail) == [("refunded", 1, 4), ("refund_failed", 1, 4)]
    assert (fns.balance(), offences()) == (1, set())


def test_new_refunds_are_taken_in_by_time_whichever_event_comes_first(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """After a restore, for example: the ledger has 551 of the first one."""
    pay(fns, 1000, 1101)
    first, second = refund("pi_1", created=1, id="re_b"), refund("pi_1", created=2, id="re_a")
    known.knows("re_b", first)

    assert report(fns, known, second) == "applied"
    assert report(fns, known, first) == "applied"

    emitted(fns, tail)
    entries = fns.application("SELECT source_id, amount_cents FROM ledger_entries WHERE kind = 'refunded'")
    assert {row["source_id"]: row["amount_cents"] for row in entries} == {"re_b": -551, "re_a": -550}


def test_where_the_credit_is_what_was_paid_the_others_are_not_read(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    pay(fns, 500, 500)
    one = refund("pi_1")
    report(fns, known, one)
    assert known.asked == [one["id"]]
    assert emitted(fns, tail)[-1] == ("refunded", 500, 500)


def test_a_refund_that_the_list_does_not_have_yet_waits(fns: Functions, known: KnownStripe) -> None:
    pay(fns, 1000, 1101)
    assert outcome(fns, event(refund("pi_1"), "refund.created")) == "waiting"
    older = refund("pi_1", status="pending")
    known.knows(older["id"], older)
    assert outcome(fns, event({**older, "status": "succeeded"}, "refund.updated")) == "waiting"


def test_another_refund_that_makes_no_sense_is_left_to_its_own_event(
    fns: Functions, known: KnownStripe
) -> None:
    pay(fns, 1000, 1101)
    odd = refund("pi_1", status="odd")
    known.knows(odd["id"], odd)
    assert report(fns, known, refund("pi_1")) == "applied"
    assert report(fns, known, odd) == "held"


def test_what_is_discarded_with_its_event_is_not_another_refund(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """The event of one refund brings another one, too."""
    known.knows("pi_1", {**payment_intent("pi_1", credit_cents="1101"), "amount": 1000})
    first, second = refund("pi_1", created=1, amount=300), refund("pi_1", created=2, amount=200)
    known.knows(second["id"], second)
    known.knows(first["id"], first)
    early = event(first, "refund.created")
    assert outcome(fns, early) == "waiting"
    with roles.acting_as("operations"):
        HeldEvents(system()).discard(early["id"], reason="a test")

    pay(fns, 1000, 1101)

    assert emitted(fns, tail) == [("success", 1101, None), ("refunded", 220, 200)]
    assert report(fns, known, first) == "ignored"


def test_a_dispute_in_the_currency_of_the_settlement_takes_and_returns_its_amount(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    request_id = pay(fns, 1000, 1101)
    lost = {**dispute("pi_1", -1080, currency="usd"), "amount": 1000, "currency": "eur"}
    assert report(fns, known, lost) == "applied"
    assert (emitted(fns, tail)[-1], fns.balance()) == (("disputed", 1101, 1000), 0)
    back = {"id": "txn_back", "amount": 1085, "currency": "usd", "created": 2}
    won = {**lost, "status": "won", "balance_transactions": [*lost["balance_transactions"], back]}
    assert report(fns, known, won) == "applied"
    assert (emitted(fns, tail), fns.balance()) == ([("dispute_won", 1101, 1000)], 1101)
    assert fns.row(request_id)["disputed_cents"] == 0

    again = {"id": "txn_again", "amount": -1085, "currency": "usd", "created": 3}
    more = {**won, "status": "under_review", "balance_transactions": [*won["balance_transactions"], again]}
    assert report(fns, known, more) == "held"
    assert (emitted(fns, tail), fns.balance()) == ([], 1101)


@pytest.mark.parametrize("is_paid_before", [True, False])
def test_a_second_withdrawal_of_the_same_second_is_not_taken_for_the_first(
    fns: Functions, known: KnownStripe, tail: Tail, is_paid_before: bool
) -> None:
    """Stripe's times have whole seconds, and the ids of its balance transactions do not rise."""
    if is_paid_before:
        pay(fns, 1000, 1101)
    known.knows("pi_1", {**payment_intent("pi_1", credit_cents="1101"), "amount": 1000})
    first = {"id": "txn_b", "amount": -1080, "currency": "usd", "created": 1}
    once = {**dispute("pi_1"), "amount": 1000, "currency": "eur", "balance_transactions": [first]}
    assert report(fns, known, once) == ("applied" if is_paid_before else "waiting")
    second = {"id": "txn_a", "amount": -1081, "currency": "usd", "created": 1}
    twice = {**once, "balance_transactions": [second, first]}
    assert report(fns, known, twice) == ("held" if is_paid_before else "waiting")
    if not is_paid_before:
        pay(fns, 1000, 1101)

    stored = {
        row["source_id"]: (row["amount_cents"], row["currency"])
        for row in fns.checkout("SELECT * FROM reversals")
    }
    assert stored == {"txn_b": (1000, "eur"), "txn_a": (1081, "usd")}
    emitted(fns, tail)
    assert fns.balance() == (0 if is_paid_before else 1101)


def test_a_part_that_a_lost_dispute_returns_is_not_taken_for_all_of_it(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """A refunded part, which the customer's bank gives back: in the settlement's currency nobody can say how
    much that is in the payment's, so an operator must."""
    pay(fns, 1000, 1000)
    withdrawn = {**dispute("pi_1", -1080, currency="usd"), "amount": 1000, "currency": "eur"}
    assert report(fns, known, withdrawn) == "applied"
    returned = {"id": "txn_back", "amount": 324, "currency": "usd", "created": 9_999_999_999}
    lost = {**withdrawn, "status": "lost"}
    lost["balance_transactions"] = [*withdrawn["balance_transactions"], returned]
    assert report(fns, known, lost) == "held"

    assert (emitted(fns, tail)[-1], fns.balance()) == (("disputed", 1000, 1000), 0)


@pytest.mark.parametrize(("end", "becomes", "left"), [("lost", "held", -425), ("won", "applied", 75)])
def test_what_an_open_dispute_gives_back_waits_for_its_end(
    fns: Functions, known: KnownStripe, tail: Tail, end: str, becomes: str, left: int
) -> None:
    """Most of the payment was refunded before the dispute, and Stripe gives that part back early. If the
    dispute is won, it is all of it. What was withdrawn does not wait."""
    pay(fns, 500, 500)
    assert report(fns, known, refund("pi_1", amount=425)) == "applied"
    withdrawn = {**dispute("pi_1", -550, currency="usd"), "amount": 500, "currency": "eur"}
    returned = {"id": "txn_back", "amount": 467, "currency": "usd", "created": 9_999_999_999}
    early = {**withdrawn, "balance_transactions": [*withdrawn["balance_transactions"], returned]}
    assert report(fns, known, early) == "applied"
    emitted(fns, tail)
    assert fns.balance() == -425

    assert report(fns, known, {**early, "status": end}) == becomes
    emitted(fns, tail)
    assert fns.balance() == left


def test_what_was_emitted_is_not_held_when_the_dispute_is_lost_after_all(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    pay(fns, 1000, 1000)
    withdrawn = {**dispute("pi_1", -1080, currency="usd"), "amount": 1000, "currency": "eur"}
    returned = {"id": "txn_back", "amount": 1075, "currency": "usd", "created": 9_999_999_999}
    won = {**withdrawn, "balance_transactions": [*withdrawn["balance_transactions"], returned]}
    assert report(fns, known, {**won, "status": "won"}) == "applied"
    assert report(fns, known, {**won, "status": "lost"}) == "applied"
    emitted(fns, tail)
    assert fns.balance() == 1000


def test_a_dispute_that_the_release_before_has_held_for_its_currency_can_be_replayed(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    pay(fns, 1000, 1000)
    without = dispute("pi_1", -1080, currency="usd")
    held = event(without, "charge.dispute.funds_withdrawn")
    known.knows(without["id"], without)
    assert outcome(fns, held) == "held"

    known.knows(without["id"], {**without, "amount": 1000, "currency": "eur"})
    with roles.acting_as("operations"):
        assert HeldEvents(system()).replay(held["id"]).outcome == "applied"

    assert (emitted(fns, tail)[-1], fns.balance()) == (("disputed", 1000, 1000), 0)


def as_if_restored(fns: Functions, known: KnownStripe, tail: Tail, *credits: int) -> None:
    """The ledger has 551 and 550 of two refunds, and the checkout database these."""
    pay(fns, 1000, 1101)
    for number in range(len(credits)):
        one = refund("pi_1", created=number, id=f"re_{number}")
        assert report(fns, known, one) == "applied"
    emitted(fns, tail)
    for number, cents in enumerate(credits):
        fns.checkout(
            "UPDATE reversals SET credit_cents = %s, emitted_at = now() - interval '1 hour'"
            " WHERE source_id = %s",
            (cents, f"re_{number}"),
        )


def shares(fns: Functions) -> list[int]:
    return [row["credit_cents"] for row in fns.checkout("SELECT * FROM reversals ORDER BY source_id")]


def test_what_the_ledger_has_stands_though_the_same_came_in_another_order(
    fns: Functions, known: KnownStripe, silent: Simulator, tail: Tail
) -> None:
    as_if_restored(fns, known, tail, 550, 551)
    for _ in range(2):
        assert reconcile()["emitted"] == 0
    assert shares(fns) == [551, 550]
    assert fns.checkout("SELECT 1 FROM reversals WHERE credited_at IS NULL") == []
    assert tail.read() == []


def test_what_is_more_than_a_rounding_is_emitted_again_and_loud(
    fns: Functions, known: KnownStripe, silent: Simulator, tail: Tail
) -> None:
    as_if_restored(fns, known, tail, 551, 500)
    assert reconcile()["emitted"] == 1
    assert shares(fns) == [551, 500]
    fns.consume(*tail.read())
    assert len(fns.application("SELECT 1 FROM parked_events WHERE resolution IS NULL")) == 1


def test_a_share_of_nothing_is_never_emitted_again(
    fns: Functions, known: KnownStripe, silent: Simulator, tail: Tail
) -> None:
    pay(fns, 10, 1)
    report(fns, known, refund("pi_1", amount=4))
    emitted(fns, tail)
    fns.checkout("UPDATE reversals SET emitted_at = now() - interval '1 hour'")
    assert reconcile()["emitted"] == 0
    assert tail.read() == []
    assert fns.checkout("SELECT 1 FROM reversals WHERE credited_at IS NULL") == []


def test_a_share_of_nothing_that_is_one_after_a_restore_is_found(
    fns: Functions, known: KnownStripe, silent: Simulator, tail: Tail
) -> None:
    """The ledger has it of the second refund, and the restored database takes it with the first."""
    pay(fns, 10, 1)
    for number in range(2):
        report(fns, known, refund("pi_1", amount=3, created=number, id=f"re_{number}"))
    emitted(fns, tail)
    assert (shares(fns), fns.balance(), offences()) == ([0, 1], 0, set())
    fns.checkout(
        "UPDATE reversals SET credit_cents = 1 - credit_cents, emitted_at = now() - interval '1 hour'"
    )

    assert reconcile()["emitted"] == 1
    emitted(fns, tail)

    assert (shares(fns), fns.balance()) == ([1, 1], -1)
    assert offences() == {"EntryDiffersFromPayment"}


def test_what_is_taken_back_is_the_share_in_every_order(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    for seed in range(RANDOM_PAYMENTS):
        dice = random.Random(seed)
        intent, paid, credit = f"pi_{seed}", dice.choice([10, 997, 1190]), dice.choice([1, 1101, 99_900])
        reports: list[dict[str, Any]] = []
        left = paid
        while left:
            one = refund(intent, amount=dice.randint(1, left), created=dice.randrange(2))
            fails = dice.random() < 0.3
            reports += [one, {**one, "status": "failed"}] if fails else [one]
            left -= 0 if fails else one["amount"]
        is_late = dice.random() < 0.5
        if is_late:
            known.knows(intent, payment_intent(intent, credit_cents=str(credit)))
        else:
            pay(fns, paid, credit, intent)
        latest = {one["id"]: one for one in reports}
        for one in reports:
            known.knows(one["id"], one)
            if dice.random() < 0.5:
                outcome(fns, event(one, "refund.updated"))
        if is_late:
            pay(fns, paid, credit, intent)
        for one in dice.sample(list(latest.values()), len(latest)):
            known.knows(one["id"], one)
        for one in dice.sample(list(latest.values()), len(latest)):
            outcome(fns, event(one, "refund.updated"))
    emitted(fns, tail)
    assert fns.balance() == 0
    assert offences() == set()
