"""Events came in another order, or were somebody else's.

| incident | what happened | safeguard |
|---|---|---|
| laravel/cashier-stripe #1201, webrenew/memories #397 | an older event that arrived later wrote its state over the newer one | a payment's state only rises |
| stripe/sync-engine #268 | of two events of the same second the later one was dropped | the states decide, and not the events' times |
| stripe/stripe-cli #1127 | events of connected accounts arrived at the platform's endpoint | an event that names an account is ignored |
| stripe/stripe-cli #711 | every endpoint of an account gets every event, so each environment acted | metadata names the application, and another one's events are ignored |
| stripe/stripe-mirakl-connector #62, stripe/stripe-cli #319 | foreign events were answered 4xx, for which Stripe disables an endpoint | what is not for us is stored and answered 200 |
| solidusio/solidus_stripe #192 | test events reached production | an event of the other mode is held |
"""  # noqa: E501

from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

from tests.support.functions import Functions
from tests.support.inbox import outcome
from tests.support.published import Published
from tests.support.stripe_events import APP_ID, event, session_object
from tests.support.stripe_reversals import KnownStripe, payment_intent, refund


def test_an_older_event_later(fns: Functions, published: Published) -> None:
    """laravel/cashier-stripe #1201, webrenew/memories #397: the first state arrived after the second, and was
    taken for the newer one."""
    debit = session_object(str(uuid4()), payment_status="unpaid")
    settled = {**debit, "payment_status": "paid"}
    assert outcome(fns, event(settled, "checkout.session.async_payment_succeeded")) == "applied"
    assert outcome(fns, event(debit)) == "applied"
    assert published.balance() == 500
    assert fns.row(debit["metadata"]["request_id"])["status"] == "payment_succeeded"


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_events_of_the_same_second(fns: Functions, published: Published, order: tuple[int, ...]) -> None:
    """stripe/sync-engine #268: of two events with the same timestamp only the first was kept, whichever it
    was."""
    paid = session_object(str(uuid4()))
    expired = {**paid, "payment_status": "unpaid", "status": "expired", "payment_intent": None}
    events = [
        event({**paid, "payment_status": "unpaid"}),
        event(expired, "checkout.session.expired"),
        event(paid, "checkout.session.async_payment_succeeded"),
    ]
    for position in order:
        assert outcome(fns, {**events[position], "created": 1_795_000_000}) == "applied"
    assert published.balance() == 500
    assert fns.row(paid["metadata"]["request_id"])["status"] == "payment_succeeded"


def test_a_connected_account(fns: Functions, published: Published) -> None:
    """stripe/stripe-cli #1127: a platform's listener was called for the events of connected accounts, too."""
    theirs = {**event(session_object(str(uuid4()), amount=1_000_000)), "account": "acct_of_somebody_else"}
    assert outcome(fns, theirs) == "ignored"
    assert published.balance() == 0


def test_another_environment_of_the_account(fns: Functions, published: Published) -> None:
    """stripe/stripe-cli #711: a payment of one environment triggered the webhooks of all, and each of them
    acted."""
    session = session_object(str(uuid4()))
    session["metadata"]["checkout_app"] = f"{APP_ID}-staging"
    assert outcome(fns, event(session)) == "ignored"
    assert published.balance() == 0


def of_nobody_here() -> list[dict[str, Any]]:
    foreign = session_object(str(uuid4()), metadata={"order": "7"})
    return [
        event({"id": "prod_1", "object": "product"}, "product.created"),
        event(foreign),
        event({**foreign, "metadata": None}, "checkout.session.expired"),
        event(refund("pi_foreign"), "refund.created"),
        event({"id": "ch_1", "object": "charge", "payment_intent": None}, "charge.refunded"),
        {**event({"id": "acct_1", "object": "account"}, "account.updated"), "account": "acct_1"},
    ]


def test_foreign_events_for_days(fns: Functions, known: KnownStripe, published: Published) -> None:
    """stripe/stripe-mirakl-connector #62, stripe/stripe-cli #319: events about somebody else's objects were
    answered 400 or 404, for which Stripe disables an endpoint, with all that it is needed for."""
    known.knows("pi_foreign", payment_intent("pi_foreign", checkout_app="another"))
    for foreign in of_nobody_here():
        answer = fns.webhook(foreign)
        assert (answer.status, answer.json.get("outcome")) == (200, "ignored"), foreign["type"]
    assert published.balance() == 0


def test_a_test_event_in_production(fns: Functions, published: Published) -> None:
    """solidusio/solidus_stripe #192: a payment with a test card was handled by the live application."""
    fns.set(STRIPE_SECRET="sk_live_tests")
    assert outcome(fns, event(session_object(str(uuid4())), livemode=False)) == "held"
    assert published.balance() == 0
