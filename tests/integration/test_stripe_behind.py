"""Stripe's API may answer with a moment before the event: then the event waits, and decides nothing."""

from typing import Any
from uuid import uuid4

import pytest
from stripe import InvalidRequestError

from checkout.base.errors import StripeObjectMissing, StripeRefused, StripeRefusedForGood
from checkout.operations.verbs.held import HeldEvents
from checkout.payments.stripe_api import StripeApi
from tests.support.functions import Functions, system
from tests.support.inbox import outcome, parsed, states, stored
from tests.support.reconciler import reconciler_tries
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, payment_intent, refund
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail
from tests.support.terminal import Terminal


def pay(fns: Functions, amount: int = 500) -> None:
    paid = event(session_object(str(uuid4()), payment_intent="pi_1", amount=amount))
    assert outcome(fns, paid) == "applied"


def charge(*refunds: dict[str, Any]) -> dict[str, Any]:
    refunded = sum(one["amount"] for one in refunds)
    return {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": refunded}


def missing() -> dict[str, Any]:
    raise StripeObjectMissing("Stripe knows no such object.")


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.alert for record in caplog.records if hasattr(record, "alert")]


WITHDRAWN = dispute("pi_1", -500)
LOST = {**WITHDRAWN, "status": "lost"}
REFUNDED = refund("pi_1")
FAILED = {**REFUNDED, "status": "failed"}


@pytest.mark.parametrize(
    ("now", "behind", "event_type"),
    [
        (REFUNDED, {**REFUNDED, "status": "pending"}, "refund.updated"),
        (FAILED, REFUNDED, "refund.failed"),
        (REFUNDED, missing, "refund.created"),
        (WITHDRAWN, {**WITHDRAWN, "balance_transactions": []}, "charge.dispute.funds_withdrawn"),
        (LOST, WITHDRAWN, "charge.dispute.closed"),
        (WITHDRAWN, missing, "charge.dispute.created"),
    ],
    ids=["pending", "succeeded", "no refund", "no movement", "not closed", "no dispute"],
)
def test_it_waits_until_stripe_answers_what_the_event_says(
    fns: Functions, known: KnownStripe, tail: Tail, now: dict[str, Any], behind: Any, event_type: str
) -> None:
    pay(fns)
    known.knows(now["id"], behind)
    told = event(now, event_type)
    assert outcome(fns, told) == "waiting"
    assert reconciler_tries() == 0
    assert states(fns) == {}

    known.knows(now["id"], now)
    assert reconciler_tries() == 1

    assert stored(fns, told)["outcome"] == "applied"
    fns.consume(*tail.read())
    assert fns.balance() == (500 if now is FAILED else 0)


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_list_of_refunds_without_one_that_the_charge_counts(
    fns: Functions, known: KnownStripe, tail: Tail, is_listed: bool
) -> None:
    """API versions before 2022-11-15 list the charge's refunds in it; later ones only sum them up."""
    pay(fns, 1000)
    first, second = refund("pi_1", amount=300), refund("pi_1", amount=200)
    of_charge = charge(first, second)
    if is_listed:
        of_charge |= {"amount_refunded": 0, "refunds": {"data": [second, first]}}
    known.knows(first["id"], first)
    told = event(of_charge, "charge.refunded")
    assert outcome(fns, told) == "waiting"
    assert states(fns) == {}

    known.knows(second["id"], second)
    assert reconciler_tries() == 1
    fns.consume(*tail.read())
    assert fns.balance() == 500


@pytest.mark.parametrize(
    ("resource", "event_type"),
    [
        (REFUNDED, "refund.created"),
        (WITHDRAWN, "charge.dispute.funds_withdrawn"),
        (charge(REFUNDED), "charge.refunded"),
    ],
    ids=["refund", "dispute", "charge"],
)
def test_a_payment_intent_that_stripe_does_not_know_yet(
    fns: Functions, known: KnownStripe, tail: Tail, resource: dict[str, Any], event_type: str
) -> None:
    """The payment's own event was late, or the database was restored: so Stripe is asked whose it is."""
    for one in (REFUNDED, WITHDRAWN):
        known.knows(one["id"], one)
    told = event(resource, event_type)
    assert outcome(fns, told) == "waiting"

    known.knows("pi_1", payment_intent("pi_1"))
    assert reconciler_tries() == 0, "it waits for its payment"
    pay(fns)
    fns.consume(*tail.read())
    assert (stored(fns, told)["outcome"], fns.balance()) == ("applied", 0)


def test_a_charge_of_a_payment_intent_that_stripe_itself_does_not_know_waits(
    fns: Functions, stripe: Simulator
) -> None:
    told = event(charge(REFUNDED), "charge.refunded")
    assert outcome(fns, told) == "waiting"
    assert stored(fns, told)["reason"] == "Stripe knows no such object yet"


def test_a_list_by_an_id_that_stripe_does_not_know_may_be_a_400() -> None:
    def refused(_: object) -> object:
        raise InvalidRequestError(  # type: ignore[no-untyped-call]
            "No such payment", "payment_intent", "resource_missing", http_status=400
        )

    with pytest.raises(StripeObjectMissing):
        StripeApi(lambda: "sk_test_x")._fetched(refused)


def test_the_payment_settles_only_what_waits_for_it(fns: Functions, known: KnownStripe, tail: Tail) -> None:
    known.knows("pi_1", payment_intent("pi_1"))
    shown, later = refund("pi_1", amount=300), refund("pi_1", amount=200)
    known.knows(shown["id"], shown)
    known.knows(later["id"], missing)
    of_shown, of_later = event(shown, "refund.created"), event(later, "refund.created")
    assert [outcome(fns, one) for one in (of_shown, of_later)] == ["waiting", "waiting"]

    pay(fns)
    assert [stored(fns, one)["outcome"] for one in (of_shown, of_later)] == ["applied", "waiting"]

    known.knows(later["id"], later)
    assert reconciler_tries() == 1
    fns.consume(*tail.read())
    assert fns.balance() == 0


def test_after_a_day_it_is_held_and_loud(
    fns: Functions, known: KnownStripe, caplog: pytest.LogCaptureFixture
) -> None:
    told = event(REFUNDED, "refund.created")
    assert outcome(fns, told) == "waiting"
    fns.checkout("UPDATE stripe_events SET received_at = received_at - interval '23 hours'")
    assert reconciler_tries() == 0
    assert alerts(caplog) == []

    fns.checkout("UPDATE stripe_events SET received_at = received_at - interval '2 hours'")
    assert reconciler_tries() == 1

    assert stored(fns, told)["reason"] == "for more than a day: Stripe knows no such object yet"
    assert alerts(caplog) == ["StripeEventHeld"]
    assert HeldEvents(system()).replay(told["id"]).outcome == "held"


@pytest.mark.parametrize("error", [StripeRefused, StripeRefusedForGood], ids=["permission", "parameters"])
@pytest.mark.parametrize(
    ("resource", "event_type"),
    [(REFUNDED, "refund.created"), (WITHDRAWN, "charge.dispute.created")],
    ids=["refund", "dispute"],
)
def test_what_stripe_refuses_for_good_is_held_and_a_permission_can_be_given(
    fns: Functions,
    known: KnownStripe,
    error: type[Exception],
    resource: dict[str, Any],
    event_type: str,
) -> None:
    pay(fns)

    def refused() -> dict[str, Any]:
        raise error("Stripe refused the request.")

    known.knows(resource["id"], refused)
    told = event(resource, event_type)
    if error is StripeRefusedForGood:
        assert outcome(fns, told) == "held"
    else:
        assert fns.webhook(told).status == 502
        assert fns.checkout("SELECT 1 FROM stripe_events WHERE event_id = %s", (told["id"],)) == []
        assert system().stripe_events.record(parsed(told), keep_unread=True) == "waiting"


@pytest.mark.parametrize("newer", ["refund", "dispute"])
def test_an_answer_that_is_newer_than_the_event_is_applied(
    fns: Functions, known: KnownStripe, tail: Tail, newer: str
) -> None:
    pay(fns)
    if newer == "refund":
        known.knows(REFUNDED["id"], FAILED)
        told = event({**REFUNDED, "status": "pending"}, "refund.created")
    else:
        reopened = dispute("pi_1", -500, 500, -500)
        known.knows(reopened["id"], {**reopened, "status": "under_review"})
        won = {**reopened, "status": "won", "balance_transactions": reopened["balance_transactions"][:2]}
        told = event(won, "charge.dispute.closed")
    assert outcome(fns, told) == "applied"
    fns.consume(*tail.read())
    assert fns.balance() == (500 if newer == "refund" else 0)


@pytest.mark.parametrize("status", ["appeal_needs_response", "appeal_under_review"])
def test_a_dispute_that_is_appealed_was_closed_before(
    fns: Functions, known: KnownStripe, tail: Tail, status: str
) -> None:
    """The event of its end comes late: the endpoint was away, or the database was restored."""
    pay(fns)
    known.knows(LOST["id"], {**LOST, "status": status})
    assert outcome(fns, event(LOST, "charge.dispute.closed")) == "applied"
    fns.consume(*tail.read())
    assert fns.balance() == 0


def test_what_only_the_end_of_an_appeal_decides_waits_for_it(fns: Functions, known: KnownStripe) -> None:
    """It is settled in another currency: what it has given back may be a part of it or all."""
    pay(fns)
    lost = {**dispute("pi_1", -550, 540, currency="usd"), "amount": 500, "currency": "eur", "status": "lost"}
    known.knows(lost["id"], {**lost, "status": "appeal_under_review"})
    assert outcome(fns, event(lost, "charge.dispute.closed")) == "waiting"


def test_an_object_of_another_payment_is_held(fns: Functions, known: KnownStripe) -> None:
    pay(fns)
    known.knows(REFUNDED["id"], {**REFUNDED, "payment_intent": "pi_2"})
    assert outcome(fns, event(REFUNDED, "refund.created")) == "held"


# What was decided is read again


def applied_too_early(fns: Functions, known: KnownStripe) -> None:
    """As an earlier release did: the answer was behind the event, and the event was settled."""
    for resource, event_type in (
        ({**REFUNDED, "status": "pending"}, "refund.updated"),
        ({**WITHDRAWN, "balance_transactions": []}, "charge.dispute.created"),
    ):
        known.knows(resource["id"], resource)
        assert outcome(fns, event(resource, event_type)) == "applied"


@pytest.mark.parametrize(
    "ids", [[REFUNDED["id"]], [WITHDRAWN["id"]], ["pi_1"]], ids=["refund", "dispute", "payment"]
)
def test_what_was_settled_is_read_again_under_the_effects_own_keys(
    fns: Functions, known: KnownStripe, terminal: Terminal, tail: Tail, ids: list[str]
) -> None:
    pay(fns, 1000)
    applied_too_early(fns, known)
    for resource in (REFUNDED, WITHDRAWN):
        known.knows(resource["id"], resource)
    expected = {
        REFUNDED["id"]: {f"refunded:{REFUNDED['id']}": "emitted"},
        WITHDRAWN["id"]: {f"disputed:{WITHDRAWN['balance_transactions'][0]['id']}": "emitted"},
    }
    expected["pi_1"] = expected[REFUNDED["id"]] | expected[WITHDRAWN["id"]]

    for _ in range(2):
        [reread] = [terminal.json("reread", one, "--operator", "ada", "--yes") for one in ids]
        assert reread == {
            "reread": ids[0],
            "outcome": "applied",
            "reason": None,
            "movements": expected[ids[0]],
        }

    for resource, event_type in ((REFUNDED, "refund.updated"), (WITHDRAWN, "charge.dispute.updated")):
        assert outcome(fns, event(resource, event_type)) == "applied"
    fns.consume(*tail.read())
    assert fns.balance() == 0, "each once, by whatever it was told"


def test_what_is_read_again_waits_for_its_payment(
    fns: Functions, known: KnownStripe, terminal: Terminal, tail: Tail
) -> None:
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(REFUNDED["id"], REFUNDED)
    reread = terminal.json("reread", REFUNDED["id"], "--operator", "ada", "--yes", status=1)
    assert (reread["outcome"], reread["movements"]) == ("waiting", {f"refunded:{REFUNDED['id']}": "waiting"})

    pay(fns)
    fns.consume(*tail.read())
    assert fns.balance() == 0


def test_what_was_discarded_is_not_taken_up_by_reading_it_again(
    fns: Functions, known: KnownStripe, terminal: Terminal, tail: Tail
) -> None:
    known.knows("pi_1", payment_intent("pi_1"))
    known.knows(REFUNDED["id"], REFUNDED)
    told = event(REFUNDED, "refund.created")
    assert outcome(fns, told) == "waiting"
    discard = ("held", "discard", told["id"], "--reason", "made up", "--operator", "ada")
    assert terminal.run(*discard, answer="n") == 2
    assert f"nor anything else of {REFUNDED['id']}?" in terminal.err
    assert terminal.json(*discard, "--yes") == {
        "discarded": told["id"],
        "payment_intent_id": "pi_1",
        "objects": [REFUNDED["id"]],
        "events": [],
    }
    pay(fns)

    reread = terminal.json("reread", "pi_1", "--operator", "ada", "--yes", status=1)

    assert reread["outcome"] == "ignored"
    assert "discarded" in reread["reason"]
    fns.consume(*tail.read())
    assert fns.balance() == 500


def test_what_cannot_be_read_again_is_refused(fns: Functions, known: KnownStripe, terminal: Terminal) -> None:
    known.knows("pi_foreign", payment_intent("pi_foreign", checkout_app="another"))
    assert terminal.run("reread", "re_404", "--operator", "ada", "--yes") == 2
    assert "Stripe knows no re_404" in terminal.err
    assert terminal.run("reread", "cs_test_1", "--operator", "ada", "--yes") == 2
    assert "payment intent (pi_…)" in terminal.err
    assert terminal.run("reread", "re_1", "--yes") == 2
    assert "--operator" in terminal.err
    foreign = terminal.json("reread", "pi_foreign", "--operator", "ada", "--yes", status=1)
    assert (foreign["outcome"], foreign["reason"]) == ("ignored", "not of this application")
