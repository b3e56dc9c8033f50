"""What one pays and what one gets: a price list, a rate, tax, and the unit of the balance."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from functions.web import app
from tests.end_to_end.balance_page import BalancePage
from tests.end_to_end.fake_checkout import Answer, FakeCheckout
from tests.support import axe
from tests.support.settings import put

LIST = json.dumps(
    [
        {"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"},
        {"amount_cents": 5000, "credit_cents": 2**63 - 1},
    ]
)

Opening = Callable[..., BalancePage]


@pytest.fixture
def opened(page: Page, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch) -> Opening:
    """Opens the page with these settings."""

    def open_with(**settings: str | None) -> BalancePage:
        put(monkeypatch, **settings)
        app.config_asset.cache_clear()
        balance = BalancePage(page).open(checkout)
        expect(balance.balance).to_be_visible()
        return balance

    return open_with


def suggested(balance: BalancePage) -> list[str]:
    return [" ".join(text.split()) for text in balance.page.locator(".preset").all_inner_texts()]


def test_the_price_list_says_what_one_gets_and_what_one_pays(opened: Opening, checkout: FakeCheckout) -> None:
    balance = opened(PRICES=LIST, BALANCE_UNIT="credits")
    assert suggested(balance) == [
        "1,100 credits for €10.00 +10 %",
        "9,223,372,036,854,775,807 credits for €50.00",
    ]
    balance.page.get_by_role("radio", name="1,100 credits for €10.00 +10 %").check()
    expect(balance.amount).to_have_value("10.00")
    expect(balance.page.get_by_text("gives you 1,100 credits")).to_be_visible()
    balance.submit.click()
    balance.at_stripe()
    assert checkout.posts[0].body["amount_cents"] == 1000


def test_without_a_unit_the_balance_is_money(opened: Opening, checkout: FakeCheckout) -> None:
    balance = opened(PRICES=LIST, BALANCE_UNIT=None)
    expect(balance.balance).to_contain_text("€10.00")
    assert suggested(balance)[0] == "€11.00 for €10.00 +10 %"
    balance.amount.fill("7,5")
    expect(balance.page.get_by_text("= €7.50")).to_be_visible()


def test_without_prices_the_price_is_what_one_gets(opened: Opening) -> None:
    balance = opened(BALANCE_UNIT=None)
    assert suggested(balance) == ["€5.00", "€10.00", "€20.00", "€50.00"]
    balance.amount.fill("7.5")
    expect(balance.page.get_by_text("= €7.50")).to_be_visible()


def test_an_amount_of_the_list_is_sold_below_the_least_of_others(opened: Opening) -> None:
    """The rate credits nothing for less than €100, and the list has its own credits."""
    balance = opened(PRICES=LIST, BALANCE_UNIT="credits", CREDIT_PER_CENT="1/10000")
    balance.amount.fill("10")
    expect(balance.amount_error).to_be_empty()
    balance.amount.fill("99.99")
    balance.amount.blur()
    expect(balance.amount_error).to_have_text("The smallest top-up is €100.00.")
    balance.amount.fill("250")
    expect(balance.page.get_by_text("gives you 2 credits")).to_be_visible()


@pytest.mark.parametrize(
    ("rate", "credits"), [("100", "123,400 credits"), ("1/10", "123 credits"), ("3/2", "1,851 credits")]
)
def test_a_rate_is_rounded_down(opened: Opening, rate: str, credits: str) -> None:
    balance = opened(CREDIT_PER_CENT=rate, BALANCE_UNIT="credits")
    balance.amount.fill("12.34")
    expect(balance.page.get_by_text(f"gives you {credits}", exact=True)).to_be_visible()


def test_the_list_alone_hides_the_free_amount(opened: Opening, checkout: FakeCheckout) -> None:
    balance = opened(PRICES=LIST, PRICES_ONLY="true")
    expect(balance.amount).to_be_hidden()
    balance.submit.click()
    expect(balance.amount_error).to_have_text("Choose one of the amounts.")
    first = balance.page.get_by_role("radio").first
    expect(first).to_be_focused()
    assert axe.violations(balance.page) == []
    first.check()
    expect(balance.amount_error).to_be_empty()
    balance.submit.click()
    balance.at_stripe()
    assert [post.body["amount_cents"] for post in checkout.posts] == [1000]


def test_a_price_that_changed_meanwhile_is_said_in_the_customer_s_words(
    opened: Opening, checkout: FakeCheckout
) -> None:
    balance = opened(PRICES=LIST, PRICES_ONLY="true")
    checkout.refusals.append(Answer.problem(400, "amount_cents must be one of 2000."))
    balance.page.get_by_role("radio").first.check()
    balance.submit.click()
    expect(balance.problem).to_contain_text("The prices may have changed: load the page again")
    expect(balance.problem).not_to_contain_text("amount_cents")


def test_a_session_that_credits_otherwise_than_the_page_says_is_not_opened(
    opened: Opening, checkout: FakeCheckout
) -> None:
    """The price list was changed while the page was open."""
    balance = opened(PRICES=LIST, BALANCE_UNIT="credits")
    checkout.credit_cents = 1000
    balance.page.get_by_role("radio").first.check()
    balance.submit.click()
    expect(balance.problem).to_contain_text("The prices may have changed: load the page again")

    opened(PRICES=json.dumps([{"amount_cents": 1000, "credit_cents": 1000}]), BALANCE_UNIT="credits")
    balance.page.reload()
    expect(balance.amount).to_have_value("10.00")
    balance.submit.click()
    session_id = balance.at_stripe()
    first, second = checkout.posts
    assert first.body == second.body
    assert session_id == f"cs_{first.body['request_id']}"


def test_an_unfinished_session_with_an_earlier_price_is_followed_by_a_new_one(
    opened: Opening, checkout: FakeCheckout
) -> None:
    balance = opened(PRICES=json.dumps([{"amount_cents": 1000, "credit_cents": 900}]), BALANCE_UNIT="credits")
    balance.page.get_by_role("radio").first.check()
    balance.submit.click()
    balance.at_stripe()

    balance = opened(PRICES=LIST, BALANCE_UNIT="credits")
    balance.page.reload()
    expect(balance.page.get_by_text("gives you 1,100 credits")).to_be_visible()
    balance.submit.click()
    session_id = balance.at_stripe()
    first, again, new = checkout.posts
    assert first.body == again.body
    assert session_id == f"cs_{new.body['request_id']}" != f"cs_{first.body['request_id']}"
    assert checkout.transactions[0]["credit_cents"] == 1100


@pytest.mark.parametrize(("behavior", "is_said"), [("exclusive", True), ("inclusive", False), (None, False)])
def test_tax_that_comes_on_top_is_said(opened: Opening, behavior: str | None, is_said: bool) -> None:
    balance = opened(PRICE_TAX_BEHAVIOR=behavior)
    expect(balance.page.get_by_text("If tax is due, Stripe’s page adds it.")).to_be_visible(visible=is_said)


def test_a_text_of_a_setting_is_text(opened: Opening) -> None:
    label = "</script><b>more"
    listed: list[dict[str, Any]] = [{"amount_cents": 1000, "credit_cents": 1100, "label": label}]
    balance = opened(PRICES=json.dumps(listed), BALANCE_UNIT="<i>x</i>")
    assert suggested(balance) == [f"1,100 <i>x</i> for €10.00 {label}"]
    expect(balance.page.locator("b, i")).to_have_count(0)


@pytest.mark.parametrize("context_options", [{"viewport": {"width": 320, "height": 640}}])
def test_the_corners_of_a_long_label_leave_its_text_alone(
    opened: Opening, context_options: dict[str, Any]
) -> None:
    listed = [{"amount_cents": 1000, "credit_cents": 1100, "label": "ten percent more until the end of May"}]
    label = opened(PRICES=json.dumps(listed)).page.locator(".face .label")
    height, radius = label.evaluate("it => [it.offsetHeight, parseFloat(getComputedStyle(it).borderRadius)]")
    assert height > 2 * radius + 10, "it has several lines"
    assert radius <= 10


def test_what_is_added_is_the_credit_and_not_the_price(opened: Opening, checkout: FakeCheckout) -> None:
    checkout.balance_cents = 2100
    checkout.transaction(
        status="payment_succeeded", credited=True, amount_cents=1000, credit_cents=1100, paid_cents=1190
    )
    balance = opened(PRICES=LIST, BALANCE_UNIT="credits")
    balance.come_back(checkout, "?status=success&session_id=cs_test_1")
    expect(balance.news).to_contain_text("Your balance went up by 1,100 credits.")
    expect(balance.news.get_by_role("definition")).to_have_text(
        ["1,000 credits", "+ 1,100 credits", "= 2,100 credits"]
    )
    expect(balance.history).to_contain_text("1,100 credits")
    expect(balance.history).to_contain_text("€11.90")
