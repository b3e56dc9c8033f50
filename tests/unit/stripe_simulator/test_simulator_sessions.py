from typing import TYPE_CHECKING

import pytest

from stripe_simulator.resources import cards, checkout_sessions, payments
from stripe_simulator.resources.payment_methods import Payer
from stripe_simulator.resources.payments import Completed, NotOpen

if TYPE_CHECKING:
    from tests.unit.stripe_simulator.conftest import Account

PAYER = Payer("Ada", "ada@example.com")
VISA = cards.find("4242424242424242")


def test_a_session_expires_by_itself_after_a_day(account: "Account") -> None:
    session = account.create_session()

    assert account.pass_seconds(checkout_sessions.LONGEST_SECONDS - 1) == account.time + 1
    assert account.session(session["id"])["status"] == "open"
    assert account.pass_seconds(1) is None

    expired = account.session(session["id"])
    assert (expired["status"], expired["payment_status"], expired["url"]) == ("expired", "unpaid", None)
    assert account.events() == ["checkout.session.expired"]


def test_a_session_expires_when_its_creator_said(account: "Account") -> None:
    session = account.create_session(expires_at=int(account.time) + 1800)
    account.pass_seconds(1800)
    assert account.session(session["id"])["status"] == "expired"


def test_a_paid_session_does_not_expire_any_more(account: "Account") -> None:
    session = account.create_session()
    payments.pay_by_card(account.begin(), session, VISA, PAYER, 12, 2044)
    account.pass_seconds(checkout_sessions.LONGEST_SECONDS)
    assert account.session(session["id"])["status"] == "complete"
    assert "checkout.session.expired" not in account.events()


def test_an_expired_session_cannot_be_paid(account: "Account") -> None:
    session = account.create_session()
    expired = checkout_sessions.expire(account.begin(), session)
    assert isinstance(payments.pay_by_card(account.begin(), expired, VISA, PAYER, 12, 2044), NotOpen)
    debit = payments.pay_by_bank_debit(account.begin(), expired, "sepa_debit", PAYER, settles=True)
    assert isinstance(debit, NotOpen)
    assert account.events() == ["checkout.session.expired"]


def test_a_card_payment_is_told_in_stripe_s_order(account: "Account") -> None:
    outcome = payments.pay_by_card(account.begin(), account.create_session(), VISA, PAYER, 12, 2044)
    assert isinstance(outcome, Completed)
    assert account.events() == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]


@pytest.mark.parametrize(
    ("settles", "told"),
    [
        (True, ["charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"]),
        (False, ["charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"]),
    ],
)
def test_a_bank_debit_is_answered_when_its_time_has_come(
    account: "Account", settles: bool, told: list[str]
) -> None:
    session = account.create_session()
    payments.pay_by_bank_debit(account.begin(), session, "sepa_debit", PAYER, settles=settles)
    assert account.session(session["id"])["payment_status"] == "unpaid"
    before = len(account.events())

    account.pass_seconds(account.settings.debit_seconds - 0.1)
    assert len(account.events()) == before
    account.pass_seconds(0.1)

    assert account.events()[before:] == told
    assert account.session(session["id"])["payment_status"] == ("paid" if settles else "unpaid")


def test_timers_that_are_due_together_are_done_in_order_and_once(account: "Account") -> None:
    for _ in range(150):
        account.create_session()
    account.pass_seconds(checkout_sessions.LONGEST_SECONDS)
    assert len(account.events()) == 100
    account.pass_seconds(0)
    account.pass_seconds(0)
    assert account.events() == ["checkout.session.expired"] * 150


def test_a_line_of_the_log_has_our_request_id(account: "Account") -> None:
    session = account.create_session(metadata={"request_id": "r-1"})
    assert checkout_sessions.about(session).endswith("… €5.00 request_id=r-1")
