"""What was decided is not forgotten: discarded money is listed until it has gone back. And a finding that
stays as it is can be accepted.
"""

from typing import Any

import pytest

from checkout.base.errors import NotFound
from checkout.operations import findings_table as stored_findings
from checkout.operations.verbs.accept import AcceptFindings
from checkout.operations.verbs.corrections import Corrections
from checkout.operations.verbs.held import HeldEvents
from checkout.operations.verbs.parked import ParkedRecords
from checkout.operations.verbs.verify import Verify
from tests.support.functions import Functions, finished, system
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, refund
from tests.support.tail import Tail

pytestmark = pytest.mark.usefixtures("as_operator")

ACCOUNTED = {"reason": "looked at", "operator": "ada"}


def found(fns: Functions) -> dict[str, list[dict[str, Any]]]:
    """Once everything had its time; without what is parked."""
    fns.checkout(
        "UPDATE checkout_transactions SET completed_at = completed_at - interval '2 hours';"
        " UPDATE reversals SET emitted_at = emitted_at - interval '2 hours'"
    )
    return {one.name: [dict(row) for row in one.samples] for one in Verify(system())() if one.count}


def facts(sample: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sample.items() if name != "finding"}


def discard_all() -> None:
    for record in ParkedRecords(system()).page():
        ParkedRecords(system()).discard(record.id, reason="refunded at Stripe")


def take_back(fns: Functions, known: KnownStripe, tail: Tail, amount: int, **fields: Any) -> str:
    taken = refund("pi_1", amount=amount, **fields)
    known.knows(taken["id"], taken)
    assert fns.webhook(event(taken, "refund.updated")).json["outcome"] == "applied"
    fns.consume(*tail.read())
    return str(taken["id"])


def test_a_discarded_payment_is_listed_until_it_is_refunded(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """Paid in another currency: the runbook says to discard it, and to refund it at Stripe."""
    fns.webhook(event(session_object("r1", payment_intent="pi_1", currency="usd")))
    fns.consume(*tail.read())
    discard_all()
    expected = {
        "discarded": ["success:r1"],
        "user_id": 1,
        "payment_intent_id": "pi_1",
        "amount_cents": 500,
        "currency": "usd",
    }
    assert [facts(row) for row in found(fns)["DiscardedButPaid"]] == [expected]

    take_back(fns, known, tail, 200, currency="usd")
    [left] = found(fns)["DiscardedButPaid"]
    assert left["amount_cents"] == 300

    take_back(fns, known, tail, 300, currency="usd")
    assert "DiscardedButPaid" not in found(fns)


def test_a_discarded_refund_is_listed(fns: Functions, known: KnownStripe, tail: Tail, solvent: None) -> None:
    fns.webhook(event(session_object("r1", payment_intent="pi_1")))
    fns.consume(*tail.read())
    fns.application("SELECT ledger_move('order:1', 1, -400, 'eur', 'order')")
    refund_id = take_back(fns, known, tail, 500)
    discard_all()
    [listed] = found(fns)["DiscardedButPaid"]
    assert (listed["discarded"], listed["amount_cents"]) == ([f"refunded:{refund_id}"], -500)


def test_a_dispute_in_another_currency_is_listed_once_it_is_discarded_and_accepted_once_it_is_adjusted(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    fns.webhook(event(session_object("r1", payment_intent="pi_1")))
    fns.consume(*tail.read())
    taken = dispute("pi_1", -541, currency="usd")
    known.knows(taken["id"], taken)
    told = event(taken, "charge.dispute.funds_withdrawn")
    assert fns.webhook(told).json["outcome"] == "held"
    assert found(fns).keys() == {"EventsHeld"}

    Corrections(system()).adjust(key="T-1", user_id=1, amount_cents=-500, reason="it is lost", operator="ada")
    HeldEvents(system()).discard(told["id"], reason="adjusted by T-1", operator="ada")
    assert found(fns).keys() == {"DiscardedButPaid"}
    [listed] = found(fns)["DiscardedButPaid"]
    assert (listed["amount_cents"], listed["currency"]) == (-541, "usd")
    AcceptFindings(system()).accept(listed["finding"], **ACCOUNTED)
    assert found(fns) == {}


def test_an_accepted_finding_that_later_money_undoes_is_listed_again(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    """Credited by hand, discarded and accepted; then the payment is charged back, and what takes it is
    discarded with its credit, so the coins given by hand are left."""
    fns.webhook(event(session_object("r1", payment_intent="pi_1", user_id=99)))
    fns.consume(*tail.read())
    Corrections(system()).adjust(
        key="T-1", user_id=1, amount_cents=500, reason="it is theirs", operator="ada"
    )
    discard_all()
    [listed] = found(fns)["DiscardedButPaid"]
    AcceptFindings(system()).accept(listed["finding"], **ACCOUNTED)
    assert found(fns) == {}

    taken = dispute("pi_1", -500)
    known.knows(taken["id"], taken)
    assert fns.webhook(event(taken, "charge.dispute.funds_withdrawn")).json["outcome"] == "applied"
    fns.consume(*tail.read())
    assert fns.balance() == 500
    [again] = found(fns)["DiscardedButPaid"]
    assert (again["amount_cents"], len(again["discarded"])) == (0, 2)

    Corrections(system()).adjust(key="T-2", user_id=1, amount_cents=-500, reason="undoes T-1", operator="ada")
    AcceptFindings(system()).accept(again["finding"], **ACCOUNTED)
    assert found(fns) == {}


def test_an_accepted_double_reversal_that_is_won_is_listed_again(
    fns: Functions, known: KnownStripe, tail: Tail
) -> None:
    fns.webhook(event(session_object("r1", payment_intent="pi_1")))
    take_back(fns, known, tail, 500)
    taken = dispute("pi_1", -500)
    known.knows(taken["id"], taken)
    fns.webhook(event(taken, "charge.dispute.funds_withdrawn"))
    fns.consume(*tail.read())
    [listed] = found(fns)["ReversedMoreThanPaid"]
    Corrections(system()).adjust(key="T-1", user_id=1, amount_cents=500, reason="goodwill", operator="ada")
    AcceptFindings(system()).accept(listed["finding"], **ACCOUNTED)
    assert found(fns) == {}

    returned = dispute("pi_1", 500)["balance_transactions"]
    won = {**taken, "balance_transactions": [*taken["balance_transactions"], *returned]}
    known.knows(taken["id"], won)
    fns.webhook(event(won, "charge.dispute.funds_reinstated"))
    fns.consume(*tail.read())
    assert fns.balance() == 500
    [again] = found(fns)["ReversedMoreThanPaid"]
    assert (again["refunded_cents"], again["disputed_cents"]) == (500, 0)
    AcceptFindings(system()).accept(again["finding"], **ACCOUNTED)
    assert found(fns) == {}


@pytest.fixture
def wrong(fns: Functions) -> str:
    """An entry of 400 cents for a payment of 500; the id of the finding."""
    fns.webhook(event(session_object("r1", payment_intent="pi_1")))
    fns.consume(finished("r1", payment_intent_id="pi_1", amount_cents=400))
    [finding] = found(fns)["EntryDiffersFromPayment"]
    return str(finding["finding"])


@pytest.fixture
def accepting(fns: Functions) -> AcceptFindings:
    return AcceptFindings(system())


def test_a_finding_that_was_accepted_counts_no_more_and_is_not_forgotten(
    fns: Functions, wrong: str, accepting: AcceptFindings
) -> None:
    Corrections(system()).adjust(key="T-1", user_id=1, amount_cents=100, reason="the rest", operator="ada")
    assert accepting.shown(wrong)["name"] == "EntryDiffersFromPayment"
    assert accepting.accept(wrong, **ACCOUNTED)["facts"]["amount_cents"] == 400
    assert accepting.accept(wrong, **ACCOUNTED), "twice is once"
    assert found(fns) == {}
    accepted = {one.name: one.accepted for one in Verify(system())() if one.accepted}
    assert accepted == {"EntryDiffersFromPayment": 1}

    accepting.withdraw(wrong)
    assert found(fns).keys() == {"EntryDiffersFromPayment"}
    with pytest.raises(NotFound, match=f"No finding {wrong} was accepted"):
        accepting.withdraw(wrong)


@pytest.mark.parametrize(
    ("name", "database", "change"),
    [
        ("EntryInAnotherCurrency", "application", "UPDATE ledger_entries SET currency = 'usd'"),
        ("EntryDiffersFromPayment", "application", "UPDATE ledger_entries SET amount_cents = 499"),
        ("CreditWithoutTransaction", "checkout", "DELETE FROM checkout_transactions"),
        ("PaymentNotInLedger", "application", "TRUNCATE ledger_entries"),
        ("ReversedMoreThanPaid", "checkout", "UPDATE checkout_transactions SET refunded_cents = 501"),
        ("TotalsDifferFromStripe", "checkout", "UPDATE checkout_transactions SET payment_intent_id = NULL"),
    ],
)
def test_what_no_remedy_changes_can_be_accepted(
    fns: Functions, accepting: AcceptFindings, name: str, database: str, change: str
) -> None:
    fns.webhook(event(session_object("r1", payment_intent="pi_1")))
    fns.consume(finished("r1", payment_intent_id="pi_1"))
    assert found(fns) == {}
    getattr(fns, database)(f"SET LOCAL session_replication_role = replica; {change}")
    fns.application("UPDATE users SET balance = COALESCE((SELECT sum(amount_cents) FROM ledger_entries), 0)")
    listed = found(fns)
    assert name in listed
    for row in [row for rows in listed.values() for row in rows]:
        accepting.accept(row["finding"], **ACCOUNTED)
    assert found(fns) == {}


def test_with_other_facts_it_is_another_finding(
    fns: Functions, wrong: str, accepting: AcceptFindings
) -> None:
    accepting.accept(wrong, **ACCOUNTED)
    fns.checkout("UPDATE checkout_transactions SET credit_cents = 600")
    [other] = found(fns)["EntryDiffersFromPayment"]
    assert other["finding"] != wrong


def test_only_what_was_shown_can_be_accepted(fns: Functions, wrong: str, accepting: AcceptFindings) -> None:
    for act in (accepting.shown, lambda unknown: accepting.accept(unknown, **ACCOUNTED)):
        with pytest.raises(NotFound, match="has shown no finding 0123456789ab in the last 7 days"):
            act("0123456789ab")
    fns.checkout("UPDATE verify_findings SET shown_at = now() - interval '8 days'")
    fns.checkout("UPDATE checkout_transactions SET credit_cents = 400")
    Verify(system())()
    with pytest.raises(NotFound):
        accepting.shown(wrong)


def test_what_was_accepted_is_kept_for_good(fns: Functions, wrong: str, accepting: AcceptFindings) -> None:
    accepting.accept(wrong, **ACCOUNTED)
    fns.checkout("UPDATE verify_findings SET shown_at = now() - interval '8 days'")
    assert found(fns) == {}
    with system().checkout_database.transaction() as cursor:
        assert stored_findings.accepted(cursor).keys() == {wrong}
