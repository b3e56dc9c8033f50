"""The account whose balance the page shows: it is named, and no link changes it without a question."""

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.end_to_end.balance_page import CONTRAST, TOKEN, BalancePage
from tests.end_to_end.fake_checkout import Answer, FakeCheckout

OTHER = "other.payload.signature"
FRESH = "fresh.payload.signature"


@pytest.fixture
def checkout(checkout: FakeCheckout) -> FakeCheckout:
    checkout.others[OTHER] = 42
    return checkout


@pytest.fixture
def balance(page: Page) -> BalancePage:
    return BalancePage(page)


@pytest.fixture
def signed_in(balance: BalancePage, checkout: FakeCheckout) -> BalancePage:
    balance.open(checkout)
    expect_account(balance, 7)
    return balance


def expect_account(balance: BalancePage, account: object) -> None:
    expect(balance.balance).to_contain_text(f"Account {account}")
    expect(balance.page.get_by_text(f"You are topping up account {account}.")).to_be_visible()
    expect(balance.submit).to_have_accessible_description(f"You are topping up account {account}.")
    expect(balance.question).to_be_hidden()


def expect_question(balance: BalancePage, present: object = 7, other: object = 42) -> None:
    expect(balance.question).to_be_visible()
    expect(balance.question).to_contain_text(f"This page was used with account {present}.")
    expect(balance.question).to_contain_text(f"The link that you opened is for account {other}.")
    expect(stay(balance)).to_have_accessible_name(f"Stay with account {present}")
    expect(switch(balance)).to_have_accessible_name(f"Switch to account {other}")
    expect(stay(balance)).to_be_focused()
    expect(balance.submit).to_be_hidden()
    assert "#" not in balance.page.url


def stay(balance: BalancePage) -> Locator:
    return balance.question.get_by_role("button", name="Stay")


def switch(balance: BalancePage) -> Locator:
    return balance.question.get_by_role("button", name="Switch")


def follow_link(balance: BalancePage, checkout: FakeCheckout, token: str = OTHER) -> None:
    """From another site, in this tab."""
    balance.page.goto("about:blank")
    balance.open(checkout, token=token)


def tokens(checkout: FakeCheckout) -> set[str]:
    return {request.token.removeprefix("Bearer ") for request in checkout.requests}


def test_the_first_link_opens_an_account_that_is_named(
    signed_in: BalancePage, checkout: FakeCheckout
) -> None:
    assert [request.path for request in checkout.requests].count("/checkout/balance") == 1


def test_a_fresh_token_of_the_same_account_takes_over_silently(
    signed_in: BalancePage, checkout: FakeCheckout
) -> None:
    follow_link(signed_in, checkout, FRESH)
    expect_account(signed_in, 7)
    checkout.requests.clear()
    signed_in.page.reload()
    expect_account(signed_in, 7)
    assert tokens(checkout) == {FRESH}


def test_the_same_link_again_asks_nothing(signed_in: BalancePage, checkout: FakeCheckout) -> None:
    follow_link(signed_in, checkout, TOKEN)
    expect_account(signed_in, 7)
    assert [request.path for request in checkout.requests].count("/checkout/balance") == 2


@pytest.mark.parametrize("here", [True, False], ids=["in the open page", "from elsewhere"])
@pytest.mark.parametrize("how", ["press", "Escape", "Enter"])
def test_a_link_of_another_account_can_be_refused(
    signed_in: BalancePage, checkout: FakeCheckout, here: bool, how: str
) -> None:
    if here:
        signed_in.open(checkout, token=OTHER)
    else:
        follow_link(signed_in, checkout)
    expect_question(signed_in)
    if how == "press":
        stay(signed_in).click()
    else:
        signed_in.page.keyboard.press(how)

    expect_account(signed_in, 7)
    expect(signed_in.page.locator("#announcer")).to_have_text("This is the balance of account 7.")
    assert [request.path for request in checkout.requests if OTHER in request.token] == ["/checkout/balance"]
    checkout.requests.clear()
    signed_in.page.reload()
    expect_account(signed_in, 7)
    signed_in.preset("500").check()
    signed_in.submit.click()
    signed_in.at_stripe()
    assert tokens(checkout) == {TOKEN}


def test_a_link_of_another_account_can_be_accepted(signed_in: BalancePage, checkout: FakeCheckout) -> None:
    follow_link(signed_in, checkout)
    expect_question(signed_in)
    signed_in.page.keyboard.press("Tab")
    expect(switch(signed_in)).to_be_focused()
    signed_in.page.keyboard.press("Enter")

    expect_account(signed_in, 42)
    expect(signed_in.page.locator("#announcer")).to_have_text("This is the balance of account 42.")
    checkout.requests.clear()
    signed_in.page.reload()
    expect_account(signed_in, 42)
    assert tokens(checkout) == {OTHER}
    follow_link(signed_in, checkout, TOKEN)
    expect_question(signed_in, 42, 7)


def test_only_the_question_can_be_reached_meanwhile(signed_in: BalancePage, checkout: FakeCheckout) -> None:
    follow_link(signed_in, checkout)
    expect_question(signed_in)
    for _ in range(6):
        signed_in.page.keyboard.press("Tab")
        assert signed_in.page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    assert [one.path for one in checkout.requests if one.path != "/checkout/balance"] == [
        "/checkout/transactions"
    ]


@pytest.mark.parametrize("again", ["reload", "come back"])
def test_the_question_is_asked_until_it_is_answered(
    signed_in: BalancePage, checkout: FakeCheckout, again: str
) -> None:
    follow_link(signed_in, checkout)
    expect_question(signed_in)
    if again == "reload":
        signed_in.page.reload()
    else:
        signed_in.come_back(checkout, "?status=cancel")
    expect_question(signed_in)
    follow_link(signed_in, checkout, FRESH)  # Of the present account: it takes the other one's place.
    expect_account(signed_in, 7)
    signed_in.page.reload()
    expect_account(signed_in, 7)


@pytest.mark.parametrize("token", ["", "%E2%82%AC", "worthless"])
def test_a_link_that_ends_the_visit_opens_no_door_for_the_next_one(
    signed_in: BalancePage, checkout: FakeCheckout, token: str
) -> None:
    checkout.expired.add("worthless")
    follow_link(signed_in, checkout, token)
    expect(signed_in.news).to_contain_text(
        "Your session has expired" if token == "worthless" else "You are not signed in"
    )
    follow_link(signed_in, checkout)
    expect_question(signed_in)
    stay(signed_in).click()
    expect(signed_in.news).to_contain_text("You are not signed in")
    follow_link(signed_in, checkout, FRESH)
    expect_account(signed_in, 7)


def test_an_expired_session_is_renewed_silently_and_taken_over_by_nobody(
    signed_in: BalancePage, checkout: FakeCheckout
) -> None:
    checkout.expired.add(TOKEN)
    signed_in.page.reload()
    expect(signed_in.news).to_contain_text("Your session has expired")
    follow_link(signed_in, checkout)
    expect_question(signed_in)
    follow_link(signed_in, checkout, FRESH)
    expect_account(signed_in, 7)


@pytest.mark.parametrize("status", [0, 503, 404])
def test_a_decision_that_fails_can_be_retried(
    signed_in: BalancePage, checkout: FakeCheckout, status: int
) -> None:
    checkout.failing["/checkout/balance"] = Answer.problem(status) if status else Answer(200, body=None)
    follow_link(signed_in, checkout)
    words = "not known here" if status == 404 else "Your balance is safe"
    expect(signed_in.news).to_contain_text(words)
    expect(signed_in.news).to_be_focused()
    checkout.failing.clear()
    signed_in.page.get_by_role("button", name="Try again").click()
    expect_question(signed_in)


def test_an_account_that_was_never_shown_is_present_too(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.failing["/checkout/balance"] = Answer.problem(503)
    balance.open(checkout)
    expect(balance.news).to_contain_text("Your balance is safe")
    checkout.failing.clear()
    follow_link(balance, checkout)
    expect_question(balance)


def test_an_account_that_was_never_there_is_not(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.failing["/checkout/balance"] = Answer.problem(404)
    balance.open(checkout)
    expect(balance.news).to_contain_text("not known here")
    checkout.failing.clear()
    checkout.expired.add(TOKEN)
    follow_link(balance, checkout)
    expect_account(balance, 42)


@pytest.mark.parametrize(
    "context_options",
    [
        {"viewport": {"width": 320, "height": 640}, "color_scheme": scheme, "reduced_motion": "reduce"}
        for scheme in ("light", "dark")
    ],
)
def test_the_question_is_readable_on_a_phone(
    balance: BalancePage, checkout: FakeCheckout, context_options: dict[str, Any]
) -> None:
    checkout.user_id, checkout.others[OTHER] = 2**63 - 1, "w" * 255
    balance.open(checkout)
    expect_account(balance, 2**63 - 1)
    assert balance.page.evaluate(CONTRAST) == []
    follow_link(balance, checkout)
    expect_question(balance, 2**63 - 1, "w" * 255)
    assert balance.page.evaluate(CONTRAST) == []
    assert balance.page.evaluate("document.documentElement.scrollWidth") == 320
    dialog = balance.question.bounding_box()
    assert dialog is not None
    assert dialog["x"] >= 0
    assert dialog["x"] + dialog["width"] <= 320
    assert balance.page.evaluate(
        "(() => { const it = document.getElementById('switch'); return it.scrollWidth <= it.clientWidth; })()"
    )


def test_an_account_s_name_is_text_and_keeps_its_direction_to_itself(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    checkout.others[OTHER] = "<b>\u202e24"
    balance.open(checkout)
    expect_account(balance, 7)
    follow_link(balance, checkout)
    expect(balance.question).to_contain_text("<b>\u202e24")
    expect(balance.question.locator("b")).to_have_count(0)
    expect(balance.question.locator("bdi")).to_have_count(4)
