"""From an amount to Stripe's page: one click, one attempt, one session, whichever failure comes between."""

import time
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.balance_page import BalancePage
from tests.end_to_end.fake_checkout import LOST, Answer, FakeCheckout


@pytest.fixture
def balance(page: Page, checkout: FakeCheckout) -> BalancePage:
    opened = BalancePage(page).open(checkout)
    expect(opened.submit).to_be_visible()
    return opened


def test_a_preset(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.preset("2,000").check()
    expect(balance.amount).to_have_value("20.00")
    balance.submit.click()
    session_id = balance.at_stripe()
    (post,) = checkout.posts
    request_id = post.body.pop("request_id")
    assert post.body == {"amount_cents": 2000, "currency": "eur"}
    parsed = uuid.UUID(request_id)
    assert (str(parsed), parsed.version) == (request_id, 7)
    assert abs((parsed.int >> 80) / 1000 - time.time()) < 60
    assert session_id == f"cs_{request_id}"


def test_a_free_amount(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.preset("500").check()
    balance.amount.fill(" 12.34 ")
    expect(balance.preset("500")).not_to_be_checked()
    expect(balance.page.get_by_text("gives you 1,234 coins")).to_be_visible()
    balance.submit.click()
    balance.at_stripe()
    assert checkout.posts[0].body["amount_cents"] == 1234


def test_an_amount_typed_is_the_preset_of_that_amount(balance: BalancePage) -> None:
    balance.amount.fill("50")
    expect(balance.preset("5,000")).to_be_checked()


def test_what_cannot_become_an_amount_is_refused_at_once(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    no_amount = "Enter an amount such as 12.34, without letters or thousands separators."
    too_much = "The largest top-up is €10,000.00."
    for text, words in (
        ("1.005", no_amount),
        ("1e3", no_amount),
        ("-5", no_amount),
        ("€5", no_amount),
        ("1,000", no_amount),
        ("1,000.00", no_amount),
        ("٥٠٠", no_amount),
        ("10000.01", too_much),
        ("9" * 30, too_much),
    ):
        balance.amount.fill(text)
        expect(balance.amount_error).to_have_text(words)
        expect(balance.amount).to_have_accessible_description(f"{words} From €0.50 to €10,000.00.")
        expect(balance.amount).to_have_attribute("aria-invalid", "true")
        balance.submit.click()
        expect(balance.amount).to_be_focused()
        expect(balance.amount).to_have_value(text)
        balance.amount.fill("5")
        expect(balance.amount_error).to_be_empty()
        expect(balance.amount).to_have_attribute("aria-invalid", "false")
    assert checkout.posts == []


def test_an_incomplete_amount_is_refused_on_leaving_the_field(balance: BalancePage) -> None:
    balance.amount.fill("0.49")
    expect(balance.amount_error).to_be_empty()
    balance.amount.blur()
    expect(balance.amount_error).to_have_text("The smallest top-up is €0.50.")
    balance.amount.fill("")
    balance.amount.blur()
    expect(balance.amount_error).to_be_empty()


def test_no_amount(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.submit.click()
    expect(balance.amount_error).to_have_text("Enter an amount.")
    expect(balance.amount).to_be_focused()
    assert checkout.posts == []


def test_a_double_click_is_one_request(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.may_create.clear()
    balance.preset("500").check()
    balance.submit.dblclick()
    expect(balance.busy).to_have_attribute("aria-disabled", "true")
    balance.busy.click(force=True)
    balance.amount.press("Enter")
    checkout.may_create.set()
    balance.at_stripe()
    assert len(checkout.posts) == 1


def test_a_failure_is_shown_and_the_retry_is_the_same_attempt(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    balance.preset("1,000").check()
    failures = (
        (LOST, "No answer came back"),
        (Answer.problem(400, "currency must be 'usd'"), "The prices may have changed"),
        (Answer.problem(404), "Your account was not found"),
        (Answer.problem(429, retry_after="700"), "Please try again in 12 minutes."),
        (Answer.problem(429, "of which 60 are left", retry_after="700"), "A smaller amount may be possible"),
        (Answer.problem(429, retry_after="30"), "Please try again in 30 seconds."),
        (Answer.problem(429, retry_after="80000"), "Please try again in 23 hours."),
        (Answer.problem(429), "Please try again later."),
        (Answer.problem(500), "Something went wrong on our side"),
        (Answer.problem(502), "Stripe cannot be reached right now"),
        (Answer(503, {"message": "Service Unavailable"}), "Top-ups are not available right now"),
        (Answer(200, body=None), "No answer came back"),
    )
    for answer, words in failures:
        checkout.refusals.append(answer)
        balance.submit.click()
        expect(balance.problem).to_contain_text(words)
        expect(balance.problem).to_contain_text("Nothing was charged, and your amount is kept.")
        expect(balance.problem).to_be_focused()
        expect(balance.amount).to_have_value("10.00")
    balance.submit.click()
    balance.at_stripe()
    assert len(checkout.posts) == len(failures) + 1
    assert all(post.body == checkout.posts[0].body for post in checkout.posts)


def test_the_same_attempt_after_a_reload(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.refusals.append(LOST)
    balance.amount.fill("7.77")
    balance.submit.click()
    expect(balance.problem).to_contain_text("No answer came back")
    balance.page.reload()
    expect(balance.amount).to_have_value("7.77")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body == second.body


def test_another_amount_is_another_attempt(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.refusals.append(Answer.problem(502))
    balance.preset("1,000").check()
    balance.submit.click()
    expect(balance.problem).to_be_focused()
    balance.preset("500").check()
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body["request_id"] != second.body["request_id"]


def test_a_conflict_is_shown_and_the_next_is_a_new_attempt(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    checkout.refusals.append(Answer.problem(409))
    balance.preset("500").check()
    balance.submit.click()
    expect(balance.problem).to_contain_text("already started differently")
    expect(balance.problem).to_be_focused()
    expect(balance.amount).to_have_value("5.00")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body["request_id"] != second.body["request_id"]


@pytest.mark.parametrize(
    "over", [{"expires_at": "2020-01-01T00:00:00Z"}, {"url": None}], ids=["expired", "no url"]
)
def test_a_session_that_is_over_is_followed_by_a_new_one(
    balance: BalancePage, checkout: FakeCheckout, over: dict[str, Any]
) -> None:
    """The first answer was lost, and the attempt was made again when its session had ended."""
    checkout.refusals.append(LOST)
    balance.preset("500").check()
    balance.submit.click()
    expect(balance.problem).to_contain_text("No answer came back")
    session = {
        "request_id": checkout.posts[0].body["request_id"],
        "session_id": "cs_over",
        "url": f"{checkout.origin}/stripe/cs_over",
        "expires_at": "2126-11-20T09:30:00Z",
    }
    checkout.refusals.append(Answer(200, session | over))
    balance.submit.click()
    session_id = balance.at_stripe()
    first, again, new = checkout.posts
    assert first.body == again.body
    assert session_id == f"cs_{new.body['request_id']}" != f"cs_{first.body['request_id']}"
    assert new.body["amount_cents"] == 500


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("payment_succeeded", "Your balance went up by 500 coins."),
        ("payment_processing", "Your bank is processing"),
    ],
)
def test_what_was_paid_in_another_tab_is_not_paid_again(
    balance: BalancePage, checkout: FakeCheckout, status: str, words: str
) -> None:
    """The page was loaded before the payment, and still says that the top-up is not finished."""
    balance.preset("500").check()
    balance.submit.click()
    balance.at_stripe()
    balance.come_back(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("Payment cancelled")
    session = {"request_id": checkout.posts[0].body["request_id"], "session_id": "cs_paid", "url": None}
    checkout.refusals.append(
        Answer(200, session | {"credit_cents": 500, "expires_at": "2126-11-20T09:30:00Z"})
    )
    checkout.transactions[0] |= {"status": status, "credited": status == "payment_succeeded"}
    checkout.balance_cents = 1500
    balance.submit.click()
    expect(balance.news).to_contain_text(words)
    assert len(checkout.posts) == 2
    balance.amount.fill("5")
    balance.submit.click()
    balance.at_stripe()
    assert checkout.posts[0].body["request_id"] != checkout.posts[2].body["request_id"]


def test_another_user_of_the_tab_has_another_attempt(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.refusals.append(Answer.problem(502))
    balance.preset("500").check()
    balance.submit.click()
    expect(balance.problem).to_be_focused()
    checkout.user_id = 8
    balance.open(checkout, token="another")
    balance.question.get_by_role("button", name="Switch to account 8").click()
    expect(balance.amount).to_have_value("")
    balance.preset("500").check()
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body["request_id"] != second.body["request_id"]


def test_an_expired_session_keeps_the_attempt(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.refusals.append(Answer.problem(401))
    balance.amount.fill("7.77")
    balance.submit.click()
    expect(balance.news).to_contain_text("Your session has expired")
    expect(balance.news).to_be_focused()
    expect(balance.submit).to_be_hidden()
    balance.open(checkout, token="renewed")
    expect(balance.amount).to_have_value("7.77")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body == second.body


def test_by_keyboard_alone(balance: BalancePage, checkout: FakeCheckout) -> None:
    keyboard = balance.page.keyboard
    keyboard.press("Tab")
    expect(balance.preset("500")).to_be_focused()
    keyboard.press("ArrowRight")
    expect(balance.preset("1,000")).to_be_checked()
    keyboard.press("Tab")
    expect(balance.amount).to_be_focused()
    expect(balance.amount).to_have_value("10.00")
    keyboard.press("Tab")
    expect(balance.submit).to_be_focused()
    checkout.may_create.clear()
    keyboard.press("Enter")
    expect(balance.busy).to_be_focused()
    checkout.may_create.set()
    balance.at_stripe()
    assert checkout.posts[0].body["amount_cents"] == 1000
