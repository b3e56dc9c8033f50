"""Back from Stripe: paid, cancelled, or something in between."""

import threading

import pytest
from playwright.sync_api import Page, expect

from tests.end_to_end.balance_page import BalancePage
from tests.end_to_end.fake_checkout import Answer, FakeCheckout, Request

PAID = "?status=success&session_id=cs_test_1"


@pytest.fixture
def balance(page: Page) -> BalancePage:
    return BalancePage(page)


def start_top_up(balance: BalancePage, checkout: FakeCheckout, euros: str) -> str:
    """Go to Stripe to pay that much; the session's id."""
    balance.open(checkout)
    balance.amount.fill(euros)
    balance.submit.click()
    return balance.at_stripe()


def lookups(checkout: FakeCheckout) -> list[Request]:
    return [request for request in checkout.requests if request.query.get("limit") == "100"]


def questions(checkout: FakeCheckout) -> list[Request]:
    return [request for request in checkout.requests if request.path.startswith("/checkout/sessions/")]


def test_paid_and_credited(balance: BalancePage, checkout: FakeCheckout) -> None:
    session_id = start_top_up(balance, checkout, "20")
    checkout.transactions[0] |= {"status": "payment_succeeded", "credited": True}
    checkout.balance_cents = 3000
    balance.come_back(checkout, f"?status=success&session_id={session_id}")
    expect(balance.news).to_contain_text("Payment received")
    expect(balance.news.get_by_role("definition")).to_have_text(
        ["1,000 coins", "+ 2,000 coins", "= 3,000 coins"]
    )
    expect(balance.balance).to_contain_text("3,000 coins")
    expect(balance.history.first).to_contain_text("Added")
    expect(balance.amount).to_have_value("")
    assert lookups(checkout) == []
    assert balance.page.url == f"{checkout.origin}/balance"
    balance.page.reload()
    expect(balance.balance).to_contain_text("3,000 coins")
    expect(balance.news).to_be_empty()


def test_the_next_top_up_of_the_same_amount_is_a_new_attempt(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    session_id = start_top_up(balance, checkout, "20")
    balance.come_back(checkout, f"?status=success&session_id={session_id}")
    expect(balance.news).to_contain_text("Payment received")
    balance.amount.fill("20")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body["request_id"] != second.body["request_id"]


def test_it_asks_until_the_coins_are_there(balance: BalancePage, checkout: FakeCheckout) -> None:
    transaction = checkout.transaction()
    asked = 0
    may_be_credited = threading.Event()

    def credit_at_the_third(request: Request) -> None:
        nonlocal asked
        asked += request.path == f"/checkout/sessions/{transaction['request_id']}"
        if asked == 2:
            transaction["status"] = "payment_succeeded"
        if asked == 3:
            may_be_credited.wait(60)  # Until then the page shows the second answer.
            transaction["credited"] = True
            checkout.balance_cents = 1500

    checkout.before_answer = credit_at_the_third
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Adding it to your balance")
    assert PAID in balance.page.url
    may_be_credited.set()
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")
    expect(balance.balance).to_contain_text("1,500 coins")
    assert asked == 3
    assert balance.page.url == f"{checkout.origin}/balance"


def test_a_failing_api_does_not_end_the_asking(balance: BalancePage, checkout: FakeCheckout) -> None:
    transaction = checkout.transaction(credited=True)
    path = f"/checkout/sessions/{transaction['request_id']}"
    checkout.failing[path] = Answer.problem(503)
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Adding it to your balance")
    del checkout.failing[path]
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")


def test_a_sum_that_cannot_be_made_at_once_is_made_later(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    session_id = start_top_up(balance, checkout, "20")
    transaction = checkout.transactions[0]

    def fail_once_it_is_credited(request: Request) -> None:
        if request.path.startswith("/checkout/sessions/") and not transaction["credited"]:
            transaction.update(status="payment_succeeded", credited=True)
            checkout.balance_cents = 3000
            checkout.failing["/checkout/balance"] = Answer.problem(503)

    checkout.before_answer = fail_once_it_is_credited
    balance.come_back(checkout, f"?status=success&session_id={session_id}")
    expect(balance.news).to_contain_text("Your balance is safe.")
    checkout.failing.clear()
    balance.page.get_by_role("button", name="Try again").click()
    expect(balance.news.get_by_role("definition")).to_have_text(
        ["1,000 coins", "+ 2,000 coins", "= 3,000 coins"]
    )
    assert balance.page.url == f"{checkout.origin}/balance"


def test_the_session_expires_while_it_asks(balance: BalancePage, checkout: FakeCheckout) -> None:
    transaction = checkout.transaction()
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Payment received")
    checkout.failing[f"/checkout/sessions/{transaction['request_id']}"] = Answer.problem(401)
    expect(balance.news).to_contain_text("Your session has expired")
    expect(balance.submit).to_be_hidden()


def test_after_a_minute_it_is_safe_to_leave(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.page.clock.install()
    transaction = checkout.transaction(status="payment_succeeded")
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Payment received")
    balance.page.clock.fast_forward(61_000)
    expect(balance.news).to_contain_text("Still processing")
    expect(balance.news).to_contain_text("It is safe to leave this page")
    asked = len(questions(checkout))
    balance.page.clock.fast_forward(20_000)
    balance.page.wait_for_timeout(300)
    assert len(questions(checkout)) == asked
    transaction["credited"] = True
    balance.page.clock.fast_forward(20_000)
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")


def test_a_bank_debit_takes_days(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.page.clock.install()
    transaction = checkout.transaction(status="payment_processing")
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("This can take several days. It is safe to leave this page")
    with balance.page.expect_response("**/checkout/transactions*"):
        balance.page.clock.fast_forward(61_000)
    expect(balance.news).to_contain_text("Your bank is processing the payment")
    transaction |= {"status": "payment_succeeded", "credited": True}
    balance.page.clock.fast_forward(31_000)
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("payment_failed", "The payment failed"),
        ("session_expired", "The payment page expired"),
        ("session_failed", "The payment could not be started"),
    ],
)
def test_a_failure_is_shown_plainly(
    balance: BalancePage, checkout: FakeCheckout, status: str, words: str
) -> None:
    checkout.transaction(status=status)
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text(words)
    expect(balance.news).to_be_focused()
    expect(balance.balance).to_contain_text("1,000 coins")
    expect(balance.amount).to_have_value("5.00")
    assert balance.page.url == f"{checkout.origin}/balance"


def test_a_payment_of_another_purpose_is_paid_and_adds_no_coins(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    transaction = checkout.transaction(purpose="gift")
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Payment received")
    expect(balance.news).not_to_contain_text("coins")
    transaction["status"] = "payment_processing"
    expect(balance.news).to_contain_text("This can take several days.")
    expect(balance.news).not_to_contain_text("coins")
    transaction["status"] = "payment_succeeded"
    expect(balance.news).to_contain_text("This payment is not for your balance, which stays as it is.")
    expect(balance.history.locator(".status")).to_have_text("Paid")
    expect(balance.history).to_contain_text("€5.00")
    expect(balance.history).not_to_contain_text("coins")
    expect(balance.amount).to_have_value("")
    assert balance.page.url == f"{checkout.origin}/balance"
    asked = len(questions(checkout))
    balance.page.wait_for_timeout(2_000)
    assert len(questions(checkout)) == asked


def test_what_the_user_does_meanwhile_is_left_alone(balance: BalancePage, checkout: FakeCheckout) -> None:
    transaction = checkout.transaction()
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Payment received")
    balance.amount.fill("7.77")
    transaction["status"] = "payment_failed"
    expect(balance.news).to_contain_text("The payment failed")
    expect(balance.amount).to_be_focused()
    expect(balance.amount).to_have_value("7.77")


def test_a_payment_from_another_tab_is_found_in_the_history(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    checkout.transaction(1, status="payment_succeeded", credited=True)
    for number in range(2, 150):
        checkout.transaction(number, session_id=None)
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")
    assert [request.query.get("cursor") for request in lookups(checkout)] == [None, "100"]


@pytest.mark.parametrize("query", [PAID, "?status=success"])
def test_a_payment_that_nobody_knows(balance: BalancePage, checkout: FakeCheckout, query: str) -> None:
    balance.open(checkout, query)
    expect(balance.news).to_contain_text("This payment is not among your top-ups")
    assert balance.page.url == f"{checkout.origin}/balance"


def test_a_return_that_names_no_session_is_not_taken_for_one_that_has_none(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    checkout.transaction(session_id=None, status="session_failed")
    balance.open(checkout, "?status=success")
    expect(balance.news).to_contain_text("This payment is not among your top-ups")
    assert lookups(checkout) == []


def test_a_payment_that_was_forgotten(balance: BalancePage, checkout: FakeCheckout) -> None:
    session_id = start_top_up(balance, checkout, "5")
    checkout.transactions.clear()
    balance.come_back(checkout, f"?status=success&session_id={session_id}")
    expect(balance.news).to_contain_text("This payment is not among your top-ups")


def test_the_search_for_a_payment_is_bounded(balance: BalancePage, checkout: FakeCheckout) -> None:
    for number in range(2, 702):
        checkout.transaction(number)
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("This payment is not among your top-ups")
    assert len(lookups(checkout)) == 5


def test_a_search_that_fails_can_be_retried(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.transaction(status="payment_succeeded", credited=True)
    checkout.failing["/checkout/transactions"] = Answer.problem(503)
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("cannot be shown right now")
    checkout.failing.clear()
    balance.page.get_by_role("button", name="Try again").click()
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")


def test_cancel_keeps_the_amount_and_the_attempt(balance: BalancePage, checkout: FakeCheckout) -> None:
    session_id = start_top_up(balance, checkout, "23.45")
    balance.come_back(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("Payment cancelled")
    expect(balance.news).to_contain_text("Nothing was charged.")
    expect(balance.amount).to_have_value("23.45")
    expect(balance.amount_error).to_be_empty()
    assert balance.page.url == f"{checkout.origin}/balance"
    balance.submit.click()
    assert balance.at_stripe() == session_id
    first, second = checkout.posts
    assert first.body == second.body


@pytest.mark.parametrize("is_typed", [True, False])
def test_another_amount_ends_the_notice_of_the_one_that_was_filled_in(
    balance: BalancePage, checkout: FakeCheckout, is_typed: bool
) -> None:
    start_top_up(balance, checkout, "23.45")
    balance.come_back(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("€23.45 is still filled in")
    if is_typed:
        balance.amount.fill("7")
    else:
        balance.preset("500").check()
    expect(balance.news).to_be_empty()


def test_cancel_without_an_attempt(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.open(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("Nothing was charged.")
    expect(balance.amount).to_have_value("")


def test_going_back_finds_the_top_up_unfinished(balance: BalancePage, checkout: FakeCheckout) -> None:
    session_id = start_top_up(balance, checkout, "23.45")
    balance.page.go_back()
    expect(balance.news).to_contain_text("Your last top-up is not finished")
    expect(balance.amount).to_have_value("23.45")
    balance.submit.click()
    assert balance.at_stripe() == session_id


def test_a_page_kept_frozen_by_the_browser_is_opened_afresh(
    balance: BalancePage, checkout: FakeCheckout
) -> None:
    balance.open(checkout)
    expect(balance.balance).to_contain_text("1,000 coins")
    checkout.balance_cents = 1500
    balance.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(balance.balance).to_contain_text("1,500 coins")


def test_a_payment_made_although_cancelled_is_reported(balance: BalancePage, checkout: FakeCheckout) -> None:
    start_top_up(balance, checkout, "5")
    checkout.transactions[0] |= {"status": "payment_succeeded", "credited": True}
    checkout.balance_cents = 1500
    balance.come_back(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")
    balance.amount.fill("5")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body["request_id"] != second.body["request_id"]


def test_a_session_that_ended_is_not_offered_again(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.page.clock.install()
    start_top_up(balance, checkout, "5")
    balance.come_back(checkout, "?status=cancel")
    expect(balance.amount).to_have_value("5.00")
    balance.page.clock.fast_forward("25:00:00")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body["request_id"] != second.body["request_id"]


def test_an_attempt_that_cannot_be_looked_up_stays_open(balance: BalancePage, checkout: FakeCheckout) -> None:
    start_top_up(balance, checkout, "5")
    path = f"/checkout/sessions/{checkout.posts[0].body['request_id']}"
    checkout.failing[path] = Answer.problem(503)
    balance.come_back(checkout, "?status=cancel")
    expect(balance.news).to_contain_text("Payment cancelled")
    balance.submit.click()
    balance.at_stripe()
    first, second = checkout.posts
    assert first.body == second.body


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (PAID, "If you have paid, you need not pay again"),
        ("?status=success", "If you have paid, you need not pay again"),
        ("?status=cancel", "If you did not pay, nothing was charged"),
    ],
)
def test_who_returns_without_a_token_is_not_asked_to_pay_again(
    balance: BalancePage, checkout: FakeCheckout, query: str, words: str
) -> None:
    """A service made the session, or a bank's app returned in another browser."""
    balance.come_back(checkout, query)
    expect(balance.news).to_contain_text(words)
    expect(balance.news).to_contain_text("You are not signed in here")
    expect(balance.news).to_be_focused()
    expect(balance.submit).to_be_hidden()
    balance.page.reload()
    expect(balance.news).to_contain_text(words)
    assert checkout.requests == []


def test_a_token_that_comes_later_finds_the_payment(balance: BalancePage, checkout: FakeCheckout) -> None:
    checkout.transaction(status="payment_succeeded", credited=True)
    balance.come_back(checkout, PAID)
    expect(balance.news).to_contain_text("If you have paid, you need not pay again")
    balance.open(checkout, PAID)
    expect(balance.news).to_contain_text("Your balance went up by 500 coins.")


def test_an_unknown_status_is_no_return(balance: BalancePage, checkout: FakeCheckout) -> None:
    balance.come_back(checkout, "?status=paid&session_id=cs_test_1")
    expect(balance.news).to_contain_text("open your balance from there")
    expect(balance.news).not_to_be_focused()
