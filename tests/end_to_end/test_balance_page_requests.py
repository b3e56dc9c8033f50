"""The requests of a visit to the Balance page, counted by the server."""

import re

import pytest
from playwright.sync_api import Page, expect

from checkout.base.errors import NotFound
from functions.web import app
from tests.end_to_end.balance_page import TOKEN, BalancePage
from tests.end_to_end.fake_checkout import FakeCheckout
from tests.support.settings import put

API = ["200 /checkout/balance", "200 /checkout/transactions"]

RECORD_STACKS = """
window.stacks = [];
const { fetch } = window;
window.fetch = (...request) => {
  stacks.push(new Error().stack);
  return fetch(...request);
};
"""


@pytest.fixture
def balance(page: Page, checkout: FakeCheckout) -> BalancePage:
    """After the first visit."""
    opened = BalancePage(page).open(checkout)
    wait_until_shown(opened)
    return opened


def wait_until_shown(balance: BalancePage) -> None:
    expect(balance.balance).to_contain_text("1,000 coins")
    expect(balance.page.get_by_text("No top-ups yet.")).to_be_visible()
    balance.page.wait_for_load_state("networkidle")


def test_a_first_visit_is_the_page_and_two_calls(balance: BalancePage, checkout: FakeCheckout) -> None:
    assert checkout.served == ["200 /balance", *API]


@pytest.mark.parametrize("token", [TOKEN, "fresh.payload.signature"], ids=["same token", "fresh token"])
@pytest.mark.parametrize("where", ["the open page", "this tab", "a new tab"])
def test_a_repeated_visit_is_two_calls(
    balance: BalancePage, checkout: FakeCheckout, where: str, token: str
) -> None:
    checkout.served.clear()
    if where == "this tab":
        balance.page.goto("about:blank")
    again = BalancePage(balance.page.context.new_page()) if where == "a new tab" else balance
    with again.page.expect_response("**/checkout/transactions*"):
        again.open(checkout, token=token)
    wait_until_shown(again)
    assert checkout.served == API


def test_coming_back_from_stripe_is_a_repeated_visit(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.served.clear()
    balance.page.goto(f"{checkout.origin}/stripe/cs_test_1")
    balance.come_back(checkout, "?status=cancel")
    wait_until_shown(balance)
    expect(balance.news).to_contain_text("Payment cancelled")
    assert checkout.served == ["200 /stripe/cs_test_1", *API]


def test_a_reload_confirms_the_page(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.served.clear()
    balance.page.reload()
    wait_until_shown(balance)
    assert checkout.served == ["304 /balance", *API]


def test_later_the_page_is_confirmed(
    page: Page, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "PAGE_CACHING", app.PAGE_CACHING.replace("600", "0"))
    app._page.cache_clear()
    balance = BalancePage(page).open(checkout)
    wait_until_shown(balance)
    checkout.served.clear()
    page.goto("about:blank")
    wait_until_shown(balance.open(checkout))
    app._page.cache_clear()
    assert checkout.served == ["304 /balance", *API]


def test_a_page_without_its_configuration_asks_for_it_until_it_is_mended(
    page: Page, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, MIN_AMOUNT_CENTS="few")
    balance = BalancePage(page).open(checkout)
    expect(balance.news).to_contain_text("Your balance cannot be shown right now")
    assert "503 /balance/config.json" in checkout.served
    put(monkeypatch, MIN_AMOUNT_CENTS=None)
    balance.page.get_by_role("button", name="Try again").click()
    wait_until_shown(balance)


def test_a_deployment_in_the_middle_of_a_visit_changes_nothing(
    page: Page, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first answer another release serves, which has none of this one's files."""
    handler = app.handler

    def replaced(event: dict[str, object], context: object) -> app.Response:
        monkeypatch.setattr(app, "handler", lambda *_: app._problem(NotFound("Of another release.")))
        return handler(event, context)

    monkeypatch.setattr(app, "handler", replaced)
    balance = BalancePage(page).open(checkout)
    wait_until_shown(balance)
    balance.preset("500").check()
    balance.submit.click()
    balance.at_stripe()
    balance.come_back(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("Payment cancelled")
    expect(balance.amount).to_have_value("5.00")


def test_a_stack_names_the_source_and_its_line(page: Page, checkout: FakeCheckout) -> None:
    page.add_init_script(RECORD_STACKS)
    wait_until_shown(BalancePage(page).open(checkout))
    stack = page.evaluate("stacks[0]")
    found = re.findall(r"/balance/([a-z]+-[0-9a-f]+\.js):(\d+):", stack)
    assert [name.partition("-")[0] for name, _ in found[:2]] == ["api", "api"]
    name, line = found[0]
    assert "await fetch(" in app.ASSETS[name].body.splitlines()[int(line) - 1]


def test_a_visit_is_small() -> None:
    assert len(app.handler({}, None)["body"]) < 68_000
