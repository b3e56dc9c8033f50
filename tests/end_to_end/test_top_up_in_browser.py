"""A whole top-up in a browser: the page, the functions, Stripe's hosted page and webhooks, the balance."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.end_to_end.balance_page import BalancePage
from tests.support.running_stack import RunningStack

PAYS = "4242 4242 4242 4242"
DECLINED = "4000 0000 0000 0002"
HOSTED_PAGE = re.compile(r"/c/pay/cs_")
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Asks for the browser first: without one there is nothing to start.

    A bank debit takes long enough for the page to be seen while it waits for it.
    """
    folder = tmp_path_factory.mktemp("stack") / "project"
    with RunningStack(folder, STRIPE_SIMULATOR_DEBIT_SECONDS="10") as running:
        yield running.description


@pytest.fixture
def balance(page: Page, stack: dict[str, Any]) -> BalancePage:
    page.goto(f"{stack['api_url']}/balance#token={stack['demo_token']}")
    opened = BalancePage(page)
    expect(opened.submit).to_be_visible(timeout=PATIENCE_MS)
    expect(opened.submit).to_have_accessible_description(
        f"You are topping up account {stack['demo_user_id']}."
    )
    return opened


def balance_cents(stack: dict[str, Any]) -> int:
    """The balance that the API returns."""
    url = f"{stack['api_url']}/checkout/balance"
    request = Request(url, headers={"Authorization": f"Bearer {stack['demo_token']}"})
    with urlopen(request, timeout=30) as response:
        return int(json.load(response)["balance_cents"])


def euros(amount: int) -> str:
    return f"€{amount / 100:,.2f}"


def go_to_stripe(balance: BalancePage, amount: int) -> str:
    """Ask to pay that many cents, and return the address of Stripe's page."""
    balance.amount.fill(f"{amount / 100:.2f}")
    balance.submit.click()
    balance.page.wait_for_url(HOSTED_PAGE, timeout=PATIENCE_MS)
    return balance.page.url


def pay_by_card(page: Page, number: str) -> None:
    page.get_by_label("Card", exact=True).check()
    page.locator("[autocomplete=cc-number]").fill(number)
    page.get_by_role("button", name="Pay").click()


def pay_by_debit(page: Page, kind: str) -> None:
    page.get_by_label(kind).check()
    page.get_by_role("button", name="Pay").click()


def expect_credited(balance: BalancePage, stack: dict[str, Any], before: int, added: int) -> None:
    after = before + added
    expect(balance.news).to_contain_text(f"Your balance went up by {euros(added)}.", timeout=PATIENCE_MS)
    expect(balance.news.get_by_role("definition")).to_have_text(
        [euros(before), f"+ {euros(added)}", f"= {euros(after)}"]
    )
    expect(balance.balance).to_contain_text(euros(after))
    expect(balance.history.first).to_contain_text("Added")
    expect(balance.history.first).to_contain_text(euros(added))
    assert balance.page.url == f"{stack['api_url']}/balance"
    assert balance_cents(stack) == after


@pytest.mark.parametrize("context_options", [{"locale": "de-DE"}], ids=["de"])
def test_a_pack_of_the_price_list(page: Page, browser: Browser, tmp_path: Path) -> None:
    """What is shown is what is credited; the page is in German, and so would Stripe's be."""
    listed = [{"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"}]
    settings = {"PRICES": json.dumps(listed), "PRICES_ONLY": "true", "BALANCE_UNIT": "credits"}
    with RunningStack(tmp_path / "project", **settings) as running:
        page.goto(f"{running.description['api_url']}/balance#token={running.description['demo_token']}")
        page.get_by_role("radio", name="1.100 credits für 10,00\u00a0€ +10 %").check(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Weiter zu Stripe").click()
        page.wait_for_url(HOSTED_PAGE, timeout=PATIENCE_MS)
        pay_by_card(page, PAYS)
        expect(page.get_by_role("status")).to_contain_text("Ihr Guthaben ist um 1.100 credits gestiegen.")
        assert balance_cents(running.description) == 1100


def test_card(balance: BalancePage, stack: dict[str, Any]) -> None:
    before = balance_cents(stack)
    go_to_stripe(balance, 2000)
    pay_by_card(balance.page, PAYS)
    expect_credited(balance, stack, before, 2000)


def test_declined_card_then_another(balance: BalancePage, stack: dict[str, Any]) -> None:
    before = balance_cents(stack)
    hosted_page = go_to_stripe(balance, 1000)
    pay_by_card(balance.page, DECLINED)
    expect(balance.page.get_by_role("alert")).to_contain_text("declined")
    assert balance.page.url == hosted_page
    assert balance_cents(stack) == before
    pay_by_card(balance.page, PAYS)
    expect_credited(balance, stack, before, 1000)


def test_cancel_then_pay_after_all(balance: BalancePage, stack: dict[str, Any]) -> None:
    before = balance_cents(stack)
    hosted_page = go_to_stripe(balance, 777)
    balance.page.get_by_role("link", name="Back").click()
    expect(balance.news).to_contain_text("Payment cancelled")
    expect(balance.amount).to_have_value("7.77")
    expect(balance.history.first).to_contain_text("Not paid yet")
    assert balance_cents(stack) == before
    balance.submit.click()
    balance.page.wait_for_url(HOSTED_PAGE)
    assert balance.page.url == hosted_page
    pay_by_card(balance.page, PAYS)
    expect_credited(balance, stack, before, 777)


def test_bank_debit_that_settles(balance: BalancePage, stack: dict[str, Any]) -> None:
    before = balance_cents(stack)
    go_to_stripe(balance, 500)
    pay_by_debit(balance.page, "Bank debit that settles")
    expect(balance.news).to_contain_text("Your bank is processing the payment", timeout=PATIENCE_MS)
    expect_credited(balance, stack, before, 500)


def test_bank_debit_that_fails(balance: BalancePage, stack: dict[str, Any]) -> None:
    before = balance_cents(stack)
    go_to_stripe(balance, 500)
    pay_by_debit(balance.page, "Bank debit that fails")
    expect(balance.news).to_contain_text("The payment failed", timeout=PATIENCE_MS)
    expect(balance.history.first).to_contain_text("Payment failed")
    expect(balance.balance).to_contain_text(euros(before))
    expect(balance.amount).to_have_value("5.00")
    assert balance_cents(stack) == before
