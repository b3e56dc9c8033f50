"""Refunds and disputes, by Stripe's own calls and test cards."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.support.stripe_simulator import Simulator, WebhookEndpoint
from tests.support.waiting import eventually

PENDING_REFUND, FAILING_REFUND = "4000000000007726", "4000000000005126"
DISPUTED, INQUIRY = "4000000000000259", "4000000000001976"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[WebhookEndpoint]:
    with WebhookEndpoint() as running:
        yield running


@pytest.fixture(scope="module")
def simulator(endpoint: WebhookEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(
        tmp_path_factory.mktemp("stripe"),
        endpoint_url=endpoint.url,
        endpoint_secret="whsec_test",
        debit_seconds=0.1,
        refund_seconds=3.0,
        dispute_seconds=0.1,
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def clean(endpoint: WebhookEndpoint) -> None:
    endpoint.received.clear()


@pytest.fixture
def paid(simulator: Simulator) -> Callable[..., str]:
    """Pay €5.00 and get the payment intent's id."""

    def pay(card_number: str = "4242424242424242", **fields: str) -> str:
        session = simulator.create_session()
        assert simulator.pay(session, card_number, **fields).status_code == 303
        return str(simulator.client.v1.checkout.sessions.retrieve(session.id).payment_intent)

    return pay


def refunded(simulator: Simulator, intent: str) -> tuple[int, bool]:
    (charge,) = simulator.client.v1.charges.list({"payment_intent": intent}).data
    return charge.amount_refunded, charge.refunded


def booked(simulator: Simulator, source: str) -> list[tuple[str, str, int, int]]:
    """Type, category, amount and fee of the balance transactions of refunds and disputes, oldest first."""
    found = simulator.client.v1.balance_transactions.list({"source": source}).data
    return [(one.type, one.reporting_category, one.amount, one.fee) for one in found[::-1]]


def the_dispute(simulator: Simulator, intent: str, status: str) -> dict[str, Any]:
    """The dispute of a payment, once it has this status."""
    found: list[stripe.Dispute] = []

    def arrived() -> bool:
        found[:] = simulator.client.v1.disputes.list({"payment_intent": intent}).data
        return bool(found) and found[0].status == status

    eventually(arrived, 30, lambda: found)
    return found[0].to_dict()


def test_refunds_of_parts_add_up_to_no_more_than_was_paid(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    intent = paid()
    refunds = simulator.client.v1.refunds

    first = refunds.create(
        {"payment_intent": intent, "amount": 200, "reason": "duplicate", "metadata": {"a": "b"}}
    )
    assert (first.status, first.reason, refunded(simulator, intent)) == (
        "succeeded",
        "duplicate",
        (200, False),
    )
    assert booked(simulator, first.id) == [("refund", "refund", -200, 0)]
    with pytest.raises(
        stripe.InvalidRequestError, match=r"€3\.01.*greater than unrefunded amount.*€3\.00"
    ) as refusal:
        refunds.create({"payment_intent": intent, "amount": 301})
    assert refusal.value.param == "amount"
    rest = refunds.create({"charge": str(first.charge)})
    assert (rest.amount, refunded(simulator, intent)) == (300, (500, True))
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        refunds.create({"payment_intent": intent})
    assert refusal.value.code == "charge_already_refunded"

    endpoint.wait_for("refund.created", 2)
    amounts = [
        one.event["data"]["object"]["amount_refunded"] for one in endpoint.wait_for("charge.refunded", 2)
    ]
    assert sorted(amounts) == [200, 500]
    listed = [refund.id for refund in refunds.list({"payment_intent": intent}).data]
    assert listed == [rest.id, first.id]


def test_twenty_parallel_refunds_take_no_more_than_was_paid(
    simulator: Simulator, paid: Callable[..., str]
) -> None:
    intent = paid()

    def refund(_: int) -> bool:
        try:
            simulator.client.v1.refunds.create({"payment_intent": intent, "amount": 100})
        except stripe.InvalidRequestError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(refund, range(20))) == 5
    assert refunded(simulator, intent) == (500, True)


def test_a_pending_refund_succeeds_later(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    refund = simulator.client.v1.refunds.create({"payment_intent": paid(PENDING_REFUND)})
    assert refund.status == "pending"

    (updated,) = endpoint.wait_for("refund.updated")

    assert updated.event["data"]["object"]["status"] == "succeeded"
    assert updated.event["data"]["previous_attributes"]["status"] == "pending"
    endpoint.wait_for(r"charge\.refund\.updated")
    assert booked(simulator, refund.id) == [("refund", "refund", -500, 0)]


def test_a_refund_that_fails_after_it_succeeded_puts_the_money_back(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    intent = paid(FAILING_REFUND)
    refund = simulator.client.v1.refunds.create({"payment_intent": intent})
    assert (refund.status, refunded(simulator, intent)) == ("succeeded", (500, True))

    (failed,) = endpoint.wait_for("refund.failed")

    assert failed.event["data"]["object"]["status"] == "failed"
    assert failed.event["data"]["object"]["failure_balance_transaction"]
    assert refunded(simulator, intent) == (0, False)
    assert booked(simulator, refund.id) == [
        ("refund", "refund", -500, 0),
        ("refund_failure", "refund_failure", 500, 0),
    ]


def test_only_a_refund_that_waits_for_the_customer_can_be_canceled(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    refunds = simulator.client.v1.refunds
    intent = paid()
    waiting = refunds.create({"payment_intent": intent, "amount": 100, "instructions_email": "a@example.com"})
    assert (waiting.status, waiting.balance_transaction) == ("requires_action", None)

    assert refunds.cancel(waiting.id).status == "canceled"

    (updated,) = endpoint.wait_for("refund.updated")
    assert updated.event["data"]["object"]["status"] == "canceled"
    assert refunded(simulator, intent) == (0, False)
    done = refunds.create({"payment_intent": intent})
    assert done.amount == 500
    with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
        refunds.cancel(done.id)


def test_a_bank_debit_s_refund_has_types_of_its_own(simulator: Simulator, paid: Callable[..., str]) -> None:
    intent = paid(payment_method="bank_debit_succeeds")
    charges = simulator.client.v1.charges
    eventually(
        lambda: charges.list({"payment_intent": intent}).data[0].status == "succeeded", 30, lambda: intent
    )

    refund = simulator.client.v1.refunds.create({"payment_intent": intent})

    assert booked(simulator, refund.id) == [("payment_refund", "refund", -500, 0)]
    assert booked(simulator, str(refund.charge)) == [("payment", "charge", 500, 35)]


def test_what_cannot_be_refunded(simulator: Simulator) -> None:
    session = simulator.create_session()
    simulator.pay(session, "4000000000000002")
    intent = str(simulator.client.v1.checkout.sessions.retrieve(session.id).payment_intent)
    refunds = simulator.client.v1.refunds

    with pytest.raises(stripe.InvalidRequestError, match="not succeeded"):
        refunds.create({"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        refunds.create({"amount": 5})
    with pytest.raises(stripe.InvalidRequestError, match="No such charge: 'ch_none'"):
        refunds.create({"charge": "ch_none"})
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_none'"):
        refunds.create({"payment_intent": "pi_none"})


def test_a_dispute_takes_the_money_and_winning_brings_it_back(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    intent = paid(DISPUTED)
    dispute = the_dispute(simulator, intent, "needs_response")
    assert (dispute["reason"], dispute["amount"], dispute["is_charge_refundable"]) == (
        "fraudulent",
        500,
        False,
    )
    assert booked(simulator, dispute["id"]) == [("adjustment", "dispute", -500, 1500)]
    endpoint.wait_for("charge.dispute.created")
    (withdrawn,) = endpoint.wait_for("charge.dispute.funds_withdrawn")
    assert [one["amount"] for one in withdrawn.event["data"]["object"]["balance_transactions"]] == [-500]
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        simulator.client.v1.refunds.create({"payment_intent": intent})
    assert refusal.value.code == "charge_disputed"

    submitted = simulator.client.v1.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": "winning_evidence"}}
    )

    assert submitted.status == "under_review"
    won = the_dispute(simulator, intent, "won")
    assert [one["net"] for one in won["balance_transactions"]] == [-2000, 500]
    endpoint.wait_for("charge.dispute.updated")
    (closed,) = endpoint.wait_for("charge.dispute.closed")
    assert closed.event["data"]["object"]["status"] == "won"
    endpoint.wait_for("charge.dispute.funds_reinstated")
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        simulator.client.v1.disputes.close(dispute["id"])


def test_losing_evidence_and_closing_lose_a_dispute(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    losing, accepted = paid(DISPUTED), paid(DISPUTED)
    dispute = the_dispute(simulator, losing, "needs_response")
    simulator.client.v1.disputes.update(
        dispute["id"], {"evidence": {"uncategorized_text": "losing_evidence"}}
    )
    simulator.client.v1.disputes.close(the_dispute(simulator, accepted, "needs_response")["id"])

    for intent in (losing, accepted):
        lost = the_dispute(simulator, intent, "lost")
        assert [one["amount"] for one in lost["balance_transactions"]] == [-500]
    closed = endpoint.wait_for("charge.dispute.closed", 2)
    assert {one.event["data"]["object"]["status"] for one in closed} == {"lost"}
    assert not endpoint.of_type("charge.dispute.funds_reinstated")


def test_evidence_that_is_only_staged_changes_no_status(
    simulator: Simulator, paid: Callable[..., str]
) -> None:
    dispute = the_dispute(simulator, paid(DISPUTED), "needs_response")

    staged = simulator.client.v1.disputes.update(
        dispute["id"], {"evidence": {"product_description": "coins"}, "submit": False}
    )

    assert (staged.status, staged.evidence.product_description) == ("needs_response", "coins")
    assert (staged.evidence_details.has_evidence, staged.evidence_details.submission_count) == (True, 0)


def test_an_inquiry_moves_no_money_unless_it_is_escalated(
    simulator: Simulator, endpoint: WebhookEndpoint, paid: Callable[..., str]
) -> None:
    settled, escalated = paid(INQUIRY), paid(INQUIRY)
    disputes = simulator.client.v1.disputes
    quiet = the_dispute(simulator, settled, "warning_needs_response")
    loud = the_dispute(simulator, escalated, "warning_needs_response")
    assert quiet["balance_transactions"] == []

    for dispute, text in ((quiet, "winning_evidence"), (loud, "escalate_inquiry_evidence")):
        disputes.update(dispute["id"], {"evidence": {"uncategorized_text": text}})

    assert the_dispute(simulator, settled, "warning_closed")["balance_transactions"] == []
    assert len(the_dispute(simulator, escalated, "needs_response")["balance_transactions"]) == 1
    endpoint.wait_for("charge.dispute.funds_withdrawn")
