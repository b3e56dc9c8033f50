"""The operators' console in a browser, on a whole stack: where a payment is, and how what waits is mended."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from checkout.outbox.record import Record
from tests.end_to_end import screenshots
from tests.support.functions import finished
from tests.support.running_stack import RunningStack

ACCESSIBLE = """
() => [...document.querySelectorAll("input, button, a, select, textarea")]
  .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label")))
  .map((one) => one.outerHTML)
"""


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Asks for the browser first: without one there is nothing to start."""
    with RunningStack(tmp_path_factory.mktemp("stack") / "project") as running:
        yield running


@pytest.fixture
def console(page: Page, stack: RunningStack) -> Page:
    page.goto(stack.description["console_url"])
    expect(page.get_by_role("heading", name="Live", exact=True)).to_be_visible()
    return page


def row(page: Page, text: str) -> Any:
    return page.get_by_role("row").filter(has_text=text)


def test_a_payment_is_seen_from_stripe_to_the_ledger(console: Page, stack: RunningStack) -> None:
    session = stack.create(stack.add_user())
    expect(row(console, session.request_id)).to_contain_text("at Stripe, not paid yet")
    stack.pay(session)
    expect(row(console, session.request_id)).to_contain_text("credited in")
    expect(console.get_by_text("Nothing needs attention.")).to_be_visible()

    row(console, session.request_id).get_by_role("link", name=session.request_id).click()
    expect(console.get_by_role("heading", name="One payment")).to_be_visible()
    expect(console.get_by_role("listitem").filter(has_text=f"success:{session.request_id}")).to_be_visible()
    expect(row(console, str(session.user_id))).to_contain_text("agrees")


def test_the_token_leaves_the_address_and_without_it_nothing_is_shown(
    console: Page, stack: RunningStack
) -> None:
    assert console.url.endswith("/#live")
    origin = stack.description["console_url"].partition("/#")[0]
    console.evaluate("sessionStorage.clear()")
    console.goto("about:blank")
    console.goto(origin)
    expect(console.get_by_text("The token is missing")).to_be_visible()
    expect(console.get_by_role("heading", name="Live", exact=True)).to_be_hidden()


def test_a_parked_record_is_found_explained_and_replayed(console: Page, stack: RunningStack) -> None:
    user_id = 77_001
    request_id = str(uuid4())
    value = json.dumps(finished(request_id, user_id=user_id)).encode()
    stack.topic.produce([Record("checkout.finished", 0, 0, b"1", value)])
    expect(console.locator("main strong")).to_contain_text(["One record could not be applied and is parked."])
    console.get_by_role("link", name="Look").first.click()
    expect(row(console, request_id)).to_contain_text("there is no such user")

    stack.application("INSERT INTO users (id, email) VALUES (%s, 'late@example.com')", (user_id,))
    row(console, request_id).get_by_role("button", name="Replay").click()
    dialog = console.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("ada")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text(
        re.compile(rf"Replay \d+ \(success:{request_id} 500 of user {user_id}\)\?")
    )
    assert stack.balance(user_id) == 0
    dialog.get_by_role("button", name="Do it").click()
    expect(dialog).to_contain_text("Done.")
    dialog.get_by_role("button", name="Close").click()

    expect(console.get_by_text("No record is parked.")).to_be_visible()
    assert stack.balance(user_id) == 500
    console.get_by_role("link", name="Journal").click()
    expect(row(console, "parked replay").first).to_contain_text("ada")


def test_what_the_operator_gets_wrong_is_said_and_changes_nothing(console: Page, stack: RunningStack) -> None:
    console.get_by_role("link", name="One payment").click()
    console.get_by_role("textbox").fill("no-such-payment")
    console.get_by_role("button", name="Show").click()
    expect(console.get_by_text("Nothing is known about no-such-payment.")).to_be_visible()


def test_every_invariant_is_checked_with_its_remedy(console: Page, stack: RunningStack) -> None:
    user_id = stack.add_user()
    stack.application("UPDATE users SET balance = 7 WHERE id = %s", (user_id,))
    console.get_by_role("link", name="Invariants").click()
    console.get_by_role("button", name="Check all invariants").click()
    expect(console.locator("main .notice")).to_contain_text("broken")
    broken = row(console, "balance is not the sum of its entries")
    expect(broken).to_contain_text("rebuild-balance")
    stack.application("UPDATE users SET balance = 0 WHERE id = %s", (user_id,))
    console.get_by_role("button", name="Check all invariants").click()
    expect(row(console, "every balance is the sum of its entries")).to_contain_text("holds")


def test_the_pictures_of_the_docs_can_be_taken(browser: Browser, stack: RunningStack, tmp_path: Path) -> None:
    taken = screenshots.take(stack, browser.new_page, tmp_path)
    assert {path.name for path in taken} == {path.name for path in screenshots.FOLDER.iterdir()}
    assert all(path.stat().st_size > 10_000 for path in taken)


@pytest.mark.parametrize("context_options", [{"color_scheme": "light"}, {"color_scheme": "dark"}], ids=str)
@pytest.mark.parametrize("width", [360, 1280])
def test_every_view_can_be_used_by_keyboard_on_any_screen(console: Page, width: int) -> None:
    console.set_viewport_size({"width": width, "height": 800})
    for name in ("Live", "One payment", "Queues", "Invariants", "Journal"):
        link = console.get_by_role("link", name=name, exact=True)
        link.focus()
        console.keyboard.press("Enter")
        expect(link).to_have_attribute("aria-current", "page")
        expect(console.get_by_role("heading", level=2)).to_have_text(name)
        assert console.evaluate(ACCESSIBLE) == []
        assert console.evaluate("document.documentElement.scrollWidth <= innerWidth")
