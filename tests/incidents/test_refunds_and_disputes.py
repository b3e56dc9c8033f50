"""What Stripe took back stayed on the balance, or was taken twice, or was not given back.

| incident | what happened | safeguard |
|---|---|---|
| elizaOS/eliza #10920, pollinations/pollinations #10583 | no handler for refunds and disputes: the customer had the money and the credits | a refund that has succeeded is taken from the balance |
| Helicone/helicone #4728 | a refund of more than was left had to be avoided by hand | a balance may go below zero: what was spent is owed |
| elizaOS/eliza #10997 | credits were taken when a dispute was opened, and never given back when it was won | a dispute acts by its movements of money, in both directions |
| elizaOS/eliza #11155 | after a won dispute a refund took too little, since the return was not counted | each movement is an entry of its own, and nothing is netted |
| elizaOS/eliza #31449 | a won dispute gave back 10 of 500 credits: two units were compared | a movement that is settled in another currency takes and returns the dispute's amount |
| octopusreview/octopus #577, the-events-calendar/event-tickets #3095 | partial refunds were taken by the charge's running total, or the second was refused | each refund of the charge has a key of its own |
| antiwork/gumroad #5779 | a canceled refund stayed booked | a refund that fails or is canceled is given back |
| polarsource/polar #8344 | a dispute above the payment, by exchange rate, raised an error | what a dispute moves is taken as it is |
| alphagov/pay-connector #5011 | a dispute had several balance transactions, and one was expected | every balance transaction is a movement |
| polarsource/polar #9630 | a refund came before its payment was linked to the order | a reversal waits for its payment |
| getlago/lago-api #5947 | a failure was reported after the wallet had been credited | a payment that has succeeded is not moved back, and the contradiction is an alarm |
"""  # noqa: E501

from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from tests.support.functions import Functions
from tests.support.inbox import outcome
from tests.support.published import Published
from tests.support.stripe_events import event, session_object
from tests.support.stripe_reversals import KnownStripe, dispute, refund

CREATED, WITHDRAWN, REINSTATED = (
    f"charge.dispute.{what}" for what in ("created", "funds_withdrawn", "funds_reinstated")
)


@pytest.fixture
def paid(fns: Functions, known: KnownStripe, published: Published) -> None:
    """User 1 has paid 500 with the payment intent pi_1."""
    assert outcome(fns, event(session_object(str(uuid4()), payment_intent="pi_1"))) == "applied"
    assert published.balance() == 500


def reported(fns: Functions, known: KnownStripe, resource: dict[str, Any], event_type: str) -> str:
    """The outcome of an event about something that Stripe has as it is in the event."""
    known.knows(resource["id"], resource)
    return outcome(fns, event(resource, event_type))


def with_movements(disputed: dict[str, Any], *amounts: int, currency: str = "eur") -> dict[str, Any]:
    """The dispute after further balance transactions."""
    return {
        **disputed,
        "balance_transactions": [
            *disputed["balance_transactions"],
            *dispute("pi_1", *amounts, currency=currency)["balance_transactions"],
        ],
    }


def charge(*refunds: dict[str, Any]) -> dict[str, Any]:
    """The charge with the running total of these refunds."""
    total = sum(one["amount"] for one in refunds)
    return {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount_refunded": total}


@pytest.mark.usefixtures("paid")
def test_a_refund_that_nobody_handled(fns: Functions, known: KnownStripe, published: Published) -> None:
    """elizaOS/eliza #10920, pollinations/pollinations #10583: the money went back to the customer, and the
    credits stayed."""
    assert reported(fns, known, refund("pi_1"), "refund.created") == "applied"
    assert published.balance() == 0


@pytest.mark.usefixtures("paid")
def test_a_refund_of_what_was_spent(fns: Functions, known: KnownStripe, published: Published) -> None:
    """Helicone/helicone #4728: a refund of more than the rest of the balance was not provided for."""
    fns.application("SELECT ledger_move('order:1', 1, -400, 'eur', 'order')")
    assert reported(fns, known, refund("pi_1"), "refund.created") == "applied"
    assert published.balance() == -400
    with pytest.raises(psycopg2.errors.CheckViolation):
        fns.application("SELECT ledger_move('order:2', 1, -1, 'eur', 'order')")


@pytest.mark.usefixtures("paid")
def test_a_dispute_that_is_won(fns: Functions, known: KnownStripe, published: Published) -> None:
    """elizaOS/eliza #10997: credits were taken when a dispute was opened, and nothing gave them back when it
    was won."""
    opened = dispute("pi_1")
    withdrawn = with_movements(opened, -500)
    balances = []
    for state, event_type in (
        (opened, CREATED),
        (withdrawn, WITHDRAWN),
        (with_movements(withdrawn, 500), REINSTATED),
    ):
        assert reported(fns, known, state, event_type) == "applied"
        balances.append(published.balance())
    assert balances == [500, 0, 500]


@pytest.mark.usefixtures("paid")
def test_a_refund_after_a_dispute_that_was_won(
    fns: Functions, known: KnownStripe, published: Published
) -> None:
    """elizaOS/eliza #11155: what a won dispute had given back was not counted, so the refund that followed
    took nothing."""
    withdrawn = dispute("pi_1", -500)
    assert reported(fns, known, withdrawn, WITHDRAWN) == "applied"
    assert reported(fns, known, with_movements(withdrawn, 500), REINSTATED) == "applied"
    assert reported(fns, known, refund("pi_1"), "refund.created") == "applied"
    assert published.balance() == 0


@pytest.mark.usefixtures("paid")
def test_a_dispute_in_another_unit(fns: Functions, known: KnownStripe, published: Published) -> None:
    """elizaOS/eliza #31449: 500 credits were taken, and 10 given back, because dollars were compared with
    credits."""
    withdrawn = {**dispute("pi_1", -540, currency="usd"), "amount": 500, "currency": "eur"}
    assert reported(fns, known, withdrawn, WITHDRAWN) == "applied"
    assert published.balance() == 0
    returned = {**with_movements(withdrawn, 531, currency="usd"), "status": "won"}
    assert reported(fns, known, returned, REINSTATED) == "applied"
    assert published.balance() == 500


@pytest.mark.usefixtures("paid")
def test_partial_refunds_and_the_charges_running_total(
    fns: Functions, known: KnownStripe, published: Published
) -> None:
    """octopusreview/octopus #577, the-events-calendar/event-tickets #3095: the second partial refund took the
    running total once more, or was not taken at all."""
    first, second, third = (refund("pi_1", amount=amount) for amount in (100, 150, 50))
    assert reported(fns, known, first, "refund.created") == "applied"
    assert outcome(fns, event(charge(first), "charge.refunded")) == "applied"
    assert published.balance() == 400
    for one in (second, third):
        known.knows(one["id"], one)
    assert outcome(fns, event(charge(first, second, third), "charge.refunded")) == "applied"
    assert published.balance() == 200
    assert reported(fns, known, second, "refund.updated") == "applied"
    assert published.balance() == 200


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize("ended", ["canceled", "failed"])
def test_a_refund_that_is_canceled(
    fns: Functions, known: KnownStripe, published: Published, ended: str
) -> None:
    """antiwork/gumroad #5779: a canceled refund stayed booked although the customer never got the money."""
    taken_back = refund("pi_1", amount=200)
    assert reported(fns, known, taken_back, "refund.created") == "applied"
    assert published.balance() == 300
    assert reported(fns, known, {**taken_back, "status": ended}, "refund.updated") == "applied"
    assert published.balance() == 500


@pytest.mark.usefixtures("paid")
def test_a_dispute_above_the_payment(fns: Functions, known: KnownStripe, published: Published) -> None:
    """polarsource/polar #8344: a dispute was larger than its payment, since the exchange rate had changed,
    and was refused."""
    assert reported(fns, known, dispute("pi_1", -512), WITHDRAWN) == "applied"
    assert published.balance() == -12


@pytest.mark.usefixtures("paid")
def test_a_dispute_with_several_balance_transactions(
    fns: Functions, known: KnownStripe, published: Published
) -> None:
    """alphagov/pay-connector #5011: a dispute of an international card had a second balance transaction, for
    the conversion, and the handler failed."""
    assert reported(fns, known, dispute("pi_1", -450, -37), WITHDRAWN) == "applied"
    assert published.balance() == 13


def test_a_refund_before_its_payment(fns: Functions, known: KnownStripe, published: Published) -> None:
    """polarsource/polar #9630: a refund was handled before its payment was linked to the order, and belonged
    to nothing."""
    unpaid = session_object(str(uuid4()), payment_intent="pi_1", payment_status="unpaid")
    assert outcome(fns, event(unpaid)) == "applied"
    assert reported(fns, known, refund("pi_1", amount=200), "refund.created") == "waiting"
    assert published.balance() == 0
    settled = {**unpaid, "payment_status": "paid"}
    assert outcome(fns, event(settled, "checkout.session.async_payment_succeeded")) == "applied"
    assert published.balance() == 300


def test_a_failure_after_the_credit(
    fns: Functions, published: Published, capsys: pytest.CaptureFixture[str]
) -> None:
    """getlago/lago-api #5947: a late failure was reported for a payment that was credited, and nobody was
    told."""
    session = session_object(str(uuid4()))
    assert outcome(fns, event(session)) == "applied"
    failed = {**session, "payment_status": "unpaid"}
    assert outcome(fns, event(failed, "checkout.session.async_payment_failed")) == "applied"
    assert published.balance() == 500
    assert fns.row(session["metadata"]["request_id"])["status"] == "payment_succeeded"
    assert "PaymentContradicted" in capsys.readouterr().out
