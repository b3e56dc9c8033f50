"""The Balance page for everybody: axe-core finds no serious violation in any of its states."""

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.balance_page import BalancePage
from tests.end_to_end.fake_checkout import Answer, FakeCheckout
from tests.support import axe

STATES = ("payment_succeeded", "payment_processing", "payment_failed", "session_created")


@pytest.fixture
def balance(page: Page) -> BalancePage:
    return BalancePage(page)


@pytest.mark.parametrize("context_options", axe.SCHEMES, ids=str)
@pytest.mark.parametrize("status", STATES)
def test_the_account_and_its_messages(balance: BalancePage, checkout: FakeCheckout, status: str) -> None:
    checkout.balance_cents = -1
    for number, state in enumerate(STATES, 1):
        checkout.transaction(number, status=state, credited=state == "payment_succeeded")
    checkout.refusals.append(Answer.problem(502))
    balance.open(checkout, f"?status=success&session_id=cs_test_{STATES.index(status) + 1}")
    expect(balance.news).not_to_be_empty()
    balance.preset("500").check()
    balance.submit.click()
    expect(balance.problem).not_to_be_empty()
    balance.amount.fill("x")
    expect(balance.amount_error).not_to_be_empty()
    assert axe.violations(balance.page) == []


@pytest.mark.parametrize("context_options", axe.SCHEMES, ids=str)
@pytest.mark.parametrize("query", ["", "?status=success&session_id=cs_test_1", "?status=cancel"])
def test_without_an_account(balance: BalancePage, checkout: FakeCheckout, query: str) -> None:
    balance.come_back(checkout, query)
    expect(balance.news).to_contain_text("You are not signed in")
    assert axe.violations(balance.page) == []


@pytest.mark.parametrize("context_options", axe.SCHEMES, ids=str)
def test_the_question_whether_to_switch(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.others["other.payload.signature"] = 42
    balance.open(checkout)
    expect(balance.balance).to_contain_text("1,000 coins")
    balance.open(checkout, token="other.payload.signature")
    expect(balance.question).to_be_visible()
    assert axe.violations(balance.page) == []


def test_what_is_wrong_is_found(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.open(checkout)
    expect(balance.balance).to_contain_text("1,000 coins")
    balance.page.evaluate("document.querySelector('label[for=amount]').remove()")
    balance.page.evaluate("document.querySelector('html').removeAttribute('lang')")
    found = {line.split(":")[0] for line in axe.violations(balance.page)}
    assert found >= {"serious, html-has-lang", "critical, label"}
