"""The Balance page without Stripe: who may see it, what it shows, and on which devices it works."""

import itertools
import re
import threading
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from functions.web import app
from tests.end_to_end.balance_page import CONTRAST, TOKEN, BalancePage
from tests.end_to_end.fake_checkout import A_WHILE, Answer, FakeCheckout, Request
from tests.support.settings import put


@pytest.fixture
def balance(page: Page) -> BalancePage:
    return BalancePage(page)


def test_the_token_leaves_the_address_and_stays_in_the_tab(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    balance.open(checkout)
    expect(balance.balance).to_contain_text("1,000 coins")
    assert balance.page.url == f"{checkout.origin}/balance"
    assert {request.token for request in checkout.requests} == {f"Bearer {TOKEN}"}
    balance.page.reload()
    expect(balance.balance).to_contain_text("1,000 coins")


def test_a_new_token_in_an_open_tab_takes_over(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.open(checkout)
    expect(balance.balance).to_contain_text("1,000 coins")
    checkout.balance_cents = 70
    balance.open(checkout, token="another")
    expect(balance.balance).to_contain_text("70 coins")
    # Requests of the first page can arrive after those of the second.
    asked = [request.token for request in checkout.requests if request.path == "/checkout/balance"]
    assert asked[-1] == "Bearer another"
    assert "#" not in balance.page.url


def test_without_a_token_it_says_how_to_sign_in(balance: BalancePage, checkout: FakeCheckout) -> None:
    for fragment in ("", "#token=", "#other=1", "#token=%E2%82%AC"):
        balance.page.goto("about:blank")
        balance.page.goto(f"{checkout.origin}/balance{fragment}")
        expect(balance.news).to_contain_text("You are not signed in")
        expect(balance.submit).to_be_hidden()
    assert checkout.requests == []


@pytest.mark.parametrize("fragment", ["#token=", "#token=%E2%82%AC"])
@pytest.mark.parametrize("before", ["about:blank", None], ids=["coming", "there already"])
def test_a_link_without_a_token_ends_the_visit_before_it(
    balance: BalancePage, checkout: FakeCheckout, fragment: str, before: str | None
) -> None:
    balance.open(checkout)
    expect(balance.balance).to_contain_text("1,000 coins")
    if before:
        balance.page.goto(before)
    balance.page.goto(f"{checkout.origin}/balance{fragment}")
    expect(balance.news).to_contain_text("You are not signed in")
    expect(balance.balance).to_be_hidden()
    assert balance.page.url == f"{checkout.origin}/balance"


def test_an_expired_session_is_reported_and_hides_the_account(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    checkout.failing["/checkout/balance"] = Answer.problem(401)
    balance.open(checkout)
    expect(balance.news).to_contain_text("Your session has expired")
    expect(balance.news).to_be_focused()
    expect(balance.submit).to_be_hidden()
    balance.page.reload()
    expect(balance.news).to_contain_text("You are not signed in")


def test_loading_can_be_retried(balance: BalancePage, checkout: FakeCheckout) -> None:
    retry = balance.page.get_by_role("button", name="Try again")
    for answer, words in (
        (Answer.problem(503), "Your balance is safe"),
        (Answer(200, body=None), "Your balance is safe"),
        (Answer.problem(404), "not known here"),
    ):
        checkout.failing["/checkout/balance"] = answer
        balance.open(checkout)
        expect(balance.news).to_contain_text(words)
        expect(balance.news).to_be_focused()
        checkout.failing.clear()
        retry.click()
        expect(balance.balance).to_contain_text("1,000 coins")


def test_the_balance_is_in_its_unit_or_in_money(
    balance: BalancePage, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    balance.open(checkout)
    for balance_cents, currency, unit, shown in (
        (0, "eur", "credits", "0 credits"),
        (123_456, "eur", "credits", "123,456 credits"),
        (-250, "eur", "credits", "-250 credits"),
        (2**63 - 1, "usd", "★", "9,223,372,036,854,775,807 ★"),
        (0, "eur", None, "€0.00"),
        (1, "eur", None, "€0.01"),
        (123_456, "eur", None, "€1,234.56"),
        (-250, "eur", None, "-€2.50"),
        (-5, "eur", None, "-€0.05"),
        (1500, "jpy", None, "JP¥1,500"),
        (1500, "kwd", None, "KWD\u00a01.500"),
        (1500, "isk", None, "ISK\u00a015.00"),
        (2**63 - 1, "usd", None, "US$92,233,720,368,547,758.07"),
    ):
        put(monkeypatch, BALANCE_CURRENCY=currency, BALANCE_UNIT=unit)
        app.config_asset.cache_clear()
        checkout.balance_cents, checkout.currency = balance_cents, currency
        balance.page.reload()
        expect(balance.page.locator("#balance-figure")).to_have_text(shown)
        debt = balance.page.get_by_text("Your balance is negative")
        expect(debt).to_be_visible(visible=balance_cents < 0)


def test_limits_and_currency_of_the_configuration(
    balance: BalancePage, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, BALANCE_CURRENCY="jpy", MIN_AMOUNT_CENTS="400", MAX_AMOUNT_CENTS="600")
    balance.open(checkout)
    balance.preset("500").check()
    expect(balance.amount).to_have_value("500")
    expect(balance.page.get_by_text("gives you 500 coins")).to_be_visible()
    expect(balance.page.get_by_role("radio")).to_have_count(1)
    balance.amount.fill("601")
    expect(balance.amount_error).to_have_text("The largest top-up is JP¥600.")


def test_an_amount_that_the_currency_does_not_have_is_not_sent(
    balance: BalancePage, checkout: FakeCheckout, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, BALANCE_CURRENCY="isk")
    balance.open(checkout)
    balance.amount.fill("5.50")
    balance.amount.press("Enter")
    expect(balance.amount_error).to_have_text("Enter a multiple of ISK\u00a01.00.")
    assert checkout.posts == []
    balance.amount.fill("5")
    expect(balance.amount_error).to_have_text("")
    expect(balance.page.get_by_text("gives you 500 coins")).to_be_visible()


def test_history_is_empty_at_first(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.open(checkout)
    expect(balance.page.get_by_text("No top-ups yet.")).to_be_visible()
    expect(balance.more).to_be_hidden()


def test_history_shows_statuses_in_words(balance: BalancePage, checkout: FakeCheckout) -> None:
    words = {
        ("session_pending", False): "Starting",
        ("session_created", False): "Not paid yet",
        ("session_failed", False): "Not started",
        ("payment_processing", False): "Processing at the bank",
        ("payment_succeeded", False): "Paid, being added",
        ("payment_succeeded", True): "Added",
        ("payment_failed", False): "Payment failed",
        ("session_expired", False): "Expired, not paid",
        ("something_new", False): "something_new",
    }
    for number, (status, credited) in enumerate(reversed(words), 1):
        checkout.transaction(number, status=status, credited=credited)
    checkout.is_newer = True
    balance.open(checkout)
    expect(balance.history.locator(".status")).to_have_text(list(words.values()))


def test_history_says_what_was_taken_back(balance: BalancePage, checkout: FakeCheckout) -> None:
    was = {"status": "payment_succeeded", "credited": True, "paid_cents": 500, "paid_currency": "eur"}
    checkout.transaction(1, **was, refunded_cents=200)
    checkout.transaction(2, **was, refunded_cents=200, disputed_cents=300)
    checkout.transaction(3, **was)
    balance.open(checkout)
    statuses = ["Added", "Added, €5.00 taken back", "Added, €2.00 taken back"]
    expect(balance.history.locator(".status")).to_have_text(statuses)


def test_history_shows_what_was_paid_and_when(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.transaction(1, amount_cents=2000)
    checkout.transaction(
        2, amount_cents=2000, credit_cents=2200, paid_cents=1500, paid_currency="eur", credited=True
    )
    balance.open(checkout)
    paid, asked = balance.history.nth(0), balance.history.nth(1)
    expect(asked).to_contain_text("2,000 coins")
    expect(asked).to_contain_text("€20.00")
    expect(paid).to_contain_text("2,200 coins")
    expect(paid).to_contain_text("€15.00")
    # Berlin's time; the machine-readable one is as the API wrote it.
    expect(paid.locator("time")).to_have_text(re.compile(r"^20 Nov 2026, 10:30$"))
    expect(paid.locator("time")).to_have_attribute("datetime", "2026-11-20T09:30:00+00:00")


def test_history_loads_more(balance: BalancePage, checkout: FakeCheckout) -> None:
    for number in range(1, 26):
        checkout.transaction(number, amount_cents=number)
    balance.open(checkout)
    expect(balance.history).to_have_count(10)
    expect(balance.history.first).to_contain_text("25 coins")
    balance.more.click()
    expect(balance.history).to_have_count(20)
    expect(balance.more).to_be_focused()
    balance.more.click()
    expect(balance.history).to_have_count(25)
    expect(balance.more).to_be_hidden()
    expect(balance.history.nth(20)).to_be_focused()
    expect(balance.history.last).to_contain_text("1 coins")


def test_history_that_cannot_be_loaded_leaves_the_rest(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.failing["/checkout/transactions"] = Answer.problem(503)
    balance.open(checkout)
    expect(balance.page.get_by_text("The top-ups cannot be loaded right now.")).to_be_visible()
    expect(balance.submit).to_be_visible()


def test_loading_more_history_can_be_retried(balance: BalancePage, checkout: FakeCheckout) -> None:
    for number in range(1, 12):
        checkout.transaction(number)
    balance.open(checkout)
    expect(balance.history).to_have_count(10)
    checkout.failing["/checkout/transactions"] = Answer.problem(503)
    balance.more.click()
    expect(balance.page.get_by_text("The top-ups cannot be loaded right now.")).to_be_visible()
    checkout.failing.clear()
    balance.more.click()
    expect(balance.history).to_have_count(11)
    expect(balance.page.get_by_text("The top-ups cannot be loaded right now.")).to_be_hidden()


def follow_a_payment(balance: BalancePage, checkout: FakeCheckout, session_id: str) -> None:
    """Come back from Stripe, and wait for the refresh that follows the payment's first status."""
    refreshes = itertools.count(1)
    with balance.page.expect_request(
        lambda request: request.url.endswith("?limit=10") and next(refreshes) == 2
    ):
        balance.open(checkout, f"?status=success&session_id={session_id}")
    expect(balance.history).to_have_count(10)


def test_more_history_asked_for_before_a_refresh_leaves_no_gap_after_it(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    for number in range(1, 41):
        checkout.transaction(number, amount_cents=100 + number)
    refreshed = threading.Event()

    def overtaken(request: Request) -> None:
        if request.query.get("cursor") == "20":
            refreshed.wait(A_WHILE)

    checkout.before_answer = overtaken
    follow_a_payment(balance, checkout, "cs_test_40")
    balance.more.click()
    expect(balance.history).to_have_count(20)
    with balance.page.expect_response("**/checkout/transactions?*cursor=20"):
        balance.more.click()
        checkout.transactions[0]["status"] = "payment_processing"
        expect(balance.history.first).to_contain_text("Processing at the bank")
        refreshed.set()
    expect(balance.history).to_have_count(20)
    expect(balance.history.locator(".credit")).to_have_text([f"{140 - n} coins" for n in range(20)])


def test_more_history_asked_for_during_a_refresh_leaves_no_gap_after_it(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    for number in range(1, 41):
        checkout.transaction(number, amount_cents=100 + number)
    may_answer = {"20": threading.Event(), None: threading.Event()}
    may_answer[None].set()

    def delayed(request: Request) -> None:
        if request.query.get("limit") == "10" and request.query.get("cursor") in may_answer:
            may_answer[request.query.get("cursor")].wait(A_WHILE)

    checkout.before_answer = delayed
    follow_a_payment(balance, checkout, "cs_test_40")
    balance.more.click()
    expect(balance.history).to_have_count(20)
    may_answer[None].clear()
    with balance.page.expect_request("**/checkout/transactions?limit=10"):
        checkout.transactions[0]["status"] = "payment_processing"
    with balance.page.expect_request("**/checkout/transactions?*cursor=20"):
        balance.more.click()
    may_answer[None].set()
    expect(balance.history).to_have_count(10)
    with balance.page.expect_response("**/checkout/transactions?*cursor=20"):
        may_answer["20"].set()
    expect(balance.history).to_have_count(20)
    expect(balance.history.locator(".credit")).to_have_text([f"{140 - n} coins" for n in range(20)])


def test_an_older_answer_never_replaces_a_newer_history(balance: BalancePage, checkout: FakeCheckout) -> None:
    transaction = checkout.transaction(status="payment_succeeded", credited=True)
    refreshed = threading.Event()
    pages: list[Request] = []

    def overtaken(request: Request) -> None:
        if request.query.get("limit") == "10":
            pages.append(request)
            if len(pages) == 1:
                refreshed.wait(A_WHILE)
                transaction["credited"] = False

    checkout.before_answer = overtaken
    balance.open(checkout, "?status=success&session_id=cs_test_1")
    expect(balance.history).to_have_text(re.compile("Added"))
    with balance.page.expect_response("**/checkout/transactions?limit=10"):
        refreshed.set()
    balance.page.wait_for_timeout(100)
    expect(balance.history).to_have_text(re.compile("Added"))
    assert len(pages) == 2


@pytest.mark.parametrize(
    "context_options",
    [{"viewport": {"width": 320, "height": 640}, "color_scheme": scheme} for scheme in ("light", "dark")],
)
def test_a_phone_shows_it_without_scrolling_sideways(
    balance: BalancePage, checkout: FakeCheckout, context_options: dict[str, Any]
) -> None:
    checkout.balance_cents = -(2**63)
    checkout.transaction(2, status="payment_processing", amount_cents=2**63 - 1)
    checkout.transaction(1, status="payment_succeeded", credited=True, amount_cents=2**62)
    balance.open(checkout, "?status=success&session_id=cs_test_1")
    expect(balance.news).to_contain_text("Your balance went up")
    balance.amount.fill("9" * 40)
    assert balance.page.evaluate("document.documentElement.scrollWidth") == 320
    assert balance.page.evaluate("document.body.scrollWidth") == 320


@pytest.mark.parametrize(
    "context_options",
    [{"color_scheme": scheme, "reduced_motion": "reduce"} for scheme in ("light", "dark")],
)
def test_text_has_enough_contrast(
    balance: BalancePage, checkout: FakeCheckout, context_options: dict[str, Any]
) -> None:
    checkout.balance_cents = -1
    statuses = ("payment_succeeded", "payment_processing", "payment_failed")
    for number, status in enumerate(statuses, 1):
        checkout.transaction(number, status=status, credited=status == "payment_succeeded")
    for number in (1, 2, 3):
        checkout.refusals.append(Answer.problem(502))
        balance.open(checkout, f"?status=success&session_id=cs_test_{number}")
        expect(balance.news).not_to_be_empty()
        balance.preset("500").check()
        balance.submit.click()
        expect(balance.problem).not_to_be_empty()
        balance.amount.fill("x")
        assert balance.page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("context_options", [{"reduced_motion": "reduce"}])
def test_nothing_moves_if_the_user_wants_reduced_motion(
    balance: BalancePage, checkout: FakeCheckout, context_options: dict[str, Any]
) -> None:
    checkout.may_create.clear()
    balance.open(checkout)
    balance.preset("500").check()
    balance.submit.click()
    expect(balance.busy).to_be_visible()
    assert balance.page.evaluate("document.getAnimations().length") == 0
    checkout.may_create.set()
    balance.at_stripe()


@pytest.mark.parametrize("context_options", [{"java_script_enabled": False}])
def test_without_javascript_it_says_so(
    balance: BalancePage, checkout: FakeCheckout, context_options: dict[str, Any]
) -> None:
    balance.open(checkout)
    notice = balance.page.locator("noscript p").first
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("This page needs JavaScript.")
    upper, lower = (one.bounding_box() for one in balance.page.locator("noscript p").all())
    assert upper is not None
    assert lower is not None
    assert upper["y"] + upper["height"] + 8 <= lower["y"]
    expect(balance.submit).to_be_hidden()


@pytest.mark.parametrize(
    "refusal",
    [
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new Error('refused'); } });",
        "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    ],
    ids=["no storage", "full storage"],
)
def test_it_works_if_the_browser_refuses_storage(
    balance: BalancePage, checkout: FakeCheckout, refusal: str
) -> None:
    balance.page.add_init_script(refusal)
    checkout.refusals.append(Answer.problem(502))
    balance.open(checkout)
    balance.preset("500").check()
    balance.submit.click()
    expect(balance.problem).to_be_focused()
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body == second.body


def test_landmarks_headings_and_language(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.open(checkout)
    expect(balance.page.locator("html")).to_have_attribute("lang", "en")
    expect(balance.page.get_by_role("main")).to_have_count(1)
    expect(balance.page.get_by_role("heading", level=1)).to_have_text("Balance")
    expect(balance.page.get_by_role("heading", level=2)).to_have_text(["Your balance", "Top up", "Top-ups"])
    expect(balance.page.get_by_role("group", name="Choose an amount").get_by_role("radio")).to_have_count(4)
    expect(balance.amount).to_have_accessible_description("From €0.50 to €10,000.00.")
