"""The operators' console in a browser, on a whole stack: where a payment is, and how what waits is mended."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from checkout.operations import finding_words
from checkout.outbox.record import Record
from tests.end_to_end import screenshots
from tests.end_to_end.operators_console import VIEWS, OperatorsConsole
from tests.support import axe
from tests.support.functions import finished
from tests.support.running_stack import RunningStack
from tests.support.waiting import eventually

SEND = """
url => fetch(url, { method: "POST", body: '{"switch": "PostgreSQL", "act": "stop"}' })
  .then((answer) => answer.status)
"""
SUBMIT = """
action => {
  const form = Object.assign(document.createElement("form"), { method: "post", action });
  document.body.append(form);
  form.submit();
}
"""
FOUR_EYES_CENTS = 1_000_000


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Asks for the browser first: without one there is nothing to start."""
    folder = tmp_path_factory.mktemp("stack") / "project"
    with RunningStack(folder, FOUR_EYES_CENTS=str(FOUR_EYES_CENTS)) as running:
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
    expect(console.locator("figure polyline")).to_have_count(2)
    console.reload()
    for percentile in ("p50", "p99"):
        expect(console.locator(f"figure circle.{percentile}").first).to_be_attached()

    row(console, session.request_id).get_by_role("link", name=session.request_id).click()
    expect(console.get_by_role("heading", name="One payment")).to_be_visible()
    expect(console.get_by_role("listitem").filter(has_text=f"success:{session.request_id}")).to_be_visible()
    expect(row(console, str(session.user_id))).to_contain_text("agrees")


def test_what_somebody_reads_under_live_stays_while_it_is_asked_for_again(
    console: Page, stack: RunningStack
) -> None:
    """On a small screen, or at a zoom of 400 %, the table of payments is read by scrolling it."""

    def asked_again() -> None:
        for _ in range(2):
            console.wait_for_event("requestfinished", lambda one: "--brief" in (one.post_data or ""))

    console.set_viewport_size({"width": 320, "height": 800})
    session = stack.create(stack.add_user())
    expect(row(console, session.request_id)).to_be_attached()
    table = console.get_by_role("region", name="Newest payments").and_(console.locator(".scrolls"))
    table.focus()
    table.evaluate("it => { it.scrollLeft = 100; getSelection().selectAllChildren(it.querySelector('td')); }")
    asked_again()
    assert console.evaluate("getSelection().toString()") != ""
    another = stack.create(stack.add_user())
    expect(row(console, another.request_id)).to_be_attached()
    asked_again()
    expect(table).to_be_focused()
    assert table.evaluate("it => it.scrollLeft") == 100


def test_times_and_ids_stay_on_one_line_and_tables_are_aligned(console: Page, stack: RunningStack) -> None:
    session = stack.create(stack.add_user())
    line = row(console, session.request_id)
    for part in (line.locator("time"), line.get_by_role("link", name=session.request_id)):
        assert part.evaluate("it => it.getClientRects().length === 1 && it.offsetHeight < 30")
    expect(line.get_by_title(session.request_id)).to_be_visible()
    expect(console.locator("figure .axis")).to_have_text([re.compile(r"\d a minute"), re.compile(r"\d:\d\d")])

    use = OperatorsConsole(console, stack.description["console_url"])
    use.view("Switchboard")
    expect(console.get_by_role("table")).to_have_count(3)
    for place in (1, 2):
        heads = console.locator(f"th:nth-child({place + 1})")
        assert len(set(heads.evaluate_all("all => all.map(one => one.offsetLeft)"))) == 1


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


def test_a_payment_whose_credit_was_discarded_is_not_said_to_be_on_its_way(
    console: Page, stack: RunningStack
) -> None:
    stack.checkout(
        "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
        "  payment_intent_id, paid_cents, paid_currency, credit_cents, completed_at, paid_read_at)"
        " VALUES ('given-up', 77002, 500, 'eur', 'balance_topup', 'payment_succeeded', 'pi_given_up', 500,"
        "  'eur', 500, now(), now())"
    )
    value = json.dumps(finished("given-up", user_id=77_002, payment_intent_id="pi_given_up")).encode()
    stack.topic.produce([Record("checkout.finished", 0, 0, b"1", value)])
    use = OperatorsConsole(console, stack.description["console_url"])
    use.view("Queues")
    eventually(lambda: stack.application("SELECT 1 FROM parked_events WHERE request_id = 'given-up'"), 30)
    use.view("Live")
    use.view("Queues")
    given = {"Your name": "ada", "Reason": "a stolen card"}
    use.decide(use.row("success:given-up"), "Discard", given, re.compile("Never apply"))
    use.view("Live")
    expect(use.row("given-up")).to_contain_text("payment succeeded")
    use.payment("given-up")
    expect(use.main).to_contain_text("Its credit was discarded: a stolen card. Nobody credits it")


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


def test_what_the_parts_of_a_check_find_is_added_up(console: Page, stack: RunningStack) -> None:
    """Each part reports what it has read itself, and the few rows that every part reads."""
    parts = [
        {"complete": place == 2, "findings": [balances_of(*found), parked(2)]}
        for place, found in enumerate([(1, 2), (), (99,)])
    ]
    console.route(
        "**/operations",
        lambda route: route.fulfill(
            json={"clean": False, "result": parts.pop(0)}
            if "verify" in (route.request.post_data or "")
            else {"error": "not now"}
        ),
    )
    console.get_by_role("link", name="Invariants").click()
    console.get_by_role("button", name="Check all invariants").click()
    expect(console.locator("main .notice")).to_contain_text("One invariant is broken.")
    expect(row(console, "the sum of")).to_contain_text("3 times:")
    expect(row(console, "parked")).to_contain_text("2 parked records wait")
    found = console.locator("details").filter(has_text="BalanceDiffersFromLedger: 3")
    found.locator("summary").click()
    for user_id in (1, 2, 99):
        expect(found).to_contain_text(f'"user_id":{user_id}}}')


def balances_of(*user_ids: int) -> dict[str, Any]:
    samples = [{"finding": f"{user_id:012}", "user_id": user_id} for user_id in user_ids]
    return finding("BalanceDiffersFromLedger", samples, is_offence=True)


def parked(records: int) -> dict[str, Any]:
    return finding("RecordsParked", [{"id": number} for number in range(records)], is_offence=False)


def finding(name: str, samples: list[dict[str, Any]], *, is_offence: bool) -> dict[str, Any]:
    said = finding_words.said(name, len(samples))
    return {"name": name, "is_offence": is_offence, "count": len(samples), "samples": samples, **said}


def test_the_pictures_of_the_docs_can_be_taken(browser: Browser, stack: RunningStack, tmp_path: Path) -> None:
    taken = screenshots.take(stack, browser.new_page, tmp_path)
    assert {path.name for path in taken} == {path.name for path in screenshots.FOLDER.iterdir()}
    assert all(path.stat().st_size > 10_000 for path in taken)


@pytest.mark.parametrize("context_options", axe.SCHEMES, ids=str)
@pytest.mark.parametrize("width", [360, 1280])
def test_every_view_can_be_used_by_keyboard_on_any_screen(console: Page, width: int) -> None:
    console.set_viewport_size({"width": width, "height": 800})
    for name in VIEWS:
        link = console.get_by_role("link", name=name, exact=True)
        link.focus()
        console.keyboard.press("Enter")
        expect(link).to_have_attribute("aria-current", "page")
        expect(console.get_by_role("heading", level=2)).to_have_text(name)
        expect(console.get_by_text("Loading …")).to_be_hidden()
        assert axe.violations(console) == []
        assert console.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("context_options", axe.SCHEMES, ids=str)
def test_a_story_its_dialog_and_its_failures_are_for_everybody(console: Page, stack: RunningStack) -> None:
    session = stack.create(stack.add_user())
    stack.pay(session)
    stack.until_credited(session)
    console.get_by_role("link", name="One payment").click()
    console.get_by_role("textbox").fill(session.request_id)
    console.get_by_role("button", name="Show").click()
    expect(console.get_by_text("It is credited.")).to_be_visible()
    console.get_by_text("All fields").first.click()
    assert axe.violations(console) == []
    console.get_by_role("button", name="Adjust").click()
    dialog = console.get_by_role("dialog")
    assert axe.violations(console) == []
    dialog.get_by_label("Amount").fill("-100000")
    dialog.get_by_label("Reason").fill("too much")
    dialog.get_by_role("button", name="Preview").click()
    expect(dialog).to_contain_text("Take 100000 from the balance of user")
    dialog.get_by_role("button", name="Do it").click()
    expect(dialog).to_contain_text("Not adjusted")
    assert axe.violations(console) == []


def test_a_balance_is_adjusted_once_after_a_preview(console: Page, stack: RunningStack) -> None:
    user_id = stack.add_user()
    use = OperatorsConsole(console, stack.description["console_url"])
    use.payment(str(user_id))
    given = {"Amount": "250", "Key": "TICKET-12", "Reason": "goodwill", "Your name": "carol"}
    plan = f"Add 250 to the balance of user {user_id}, now 0 eur, once, as adjust:TICKET-12?"
    for _ in range(2):
        use.decide(
            use.row(str(user_id)).first, "Adjust", given, re.compile(plan.replace("now 0", r"now \d+"))
        )
    expect(use.row(str(user_id)).first).to_contain_text("€2.50")
    assert (stack.balance(user_id), stack.entries(user_id)) == (250, [250])
    use.view("Journal")
    use.page.get_by_label("Verb").fill("adjust")
    use.page.get_by_label("Operator").fill("carol")
    use.page.get_by_role("button", name="Filter").click()
    expect(use.row("adjust")).to_have_count(2)
    use.page.get_by_label("Operator").fill("nobody")
    use.page.get_by_role("button", name="Filter").click()
    expect(use.main).to_contain_text("Nobody has changed anything.")


def test_a_large_adjustment_is_approved_by_somebody_else(console: Page, stack: RunningStack) -> None:
    user_id = stack.add_user()
    use = OperatorsConsole(console, stack.description["console_url"])
    use.payment(str(user_id))
    given = {"Amount": "1000001", "Key": "TICKET-14", "Reason": "a prize", "Your name": "ada"}
    asked = re.compile("Ask for another operator's approval of this: Add 1000001")
    use.decide(use.row(str(user_id)).first, "Adjust", given, asked, "another operator has to approve it")
    assert stack.balance(user_id) == 0
    use.view("Queues")
    waits = use.row("Add 1000001")
    approval = re.compile("Approve what ada has asked for: Add 1000001")
    use.decide(waits, "Approve", {"Your name": "ada"}, approval, "somebody else must approve it", "Cancel")
    use.decide(waits, "Approve", {"Your name": "bob"}, approval)
    expect(waits).to_have_count(0)
    assert stack.balance(user_id) == 1_000_001


def test_money_is_given_back_after_a_preview(console: Page, stack: RunningStack) -> None:
    session = stack.create(stack.add_user())
    stack.pay(session)
    use = OperatorsConsole(console, stack.description["console_url"])
    use.is_credited(session.request_id)
    given = {"Amount": "200", "Key": "TICKET-13", "Reason": "half of it broke", "Your name": "ada"}
    plan = re.compile(r"Refund 200 eur of payment .* once, as TICKET-13: .* 500 are left")
    use.decide(use.row(session.request_id), "Refund", given, plan)
    expect(
        use.page.get_by_role("listitem").filter(has_text="TICKET-13 asks Stripe to refund €2.00")
    ).to_be_visible()
    expect(use.row(session.request_id)).to_contain_text("€2.00")
    expect(use.row(str(session.user_id)).last).to_contain_text("€3.00")
    assert stack.entries(session.user_id) == [500, -200]


@pytest.mark.parametrize("act", ["Duplicate", "Delay", "Reorder"])
def test_whatever_happens_to_webhooks_a_payment_is_credited_once(
    console: Page, stack: RunningStack, act: str
) -> None:
    use = OperatorsConsole(console, stack.description["console_url"])
    use.press("Webhooks", act, act.lower())
    session = stack.create(stack.add_user())
    stack.pay(session)
    use.view("Live")
    expect(use.main).to_contain_text(f"At the switchboard: Webhooks: {act.lower()}.")
    expect(use.row(session.request_id)).to_contain_text("credited in")
    use.press("Webhooks", "Deliver", "normal")
    assert stack.entries(session.user_id) == [500]


@pytest.mark.parametrize("part", ["checkout_finished_consumer", "Stripe simulator"])
def test_what_was_killed_comes_back_and_the_payment_is_credited(
    console: Page, stack: RunningStack, part: str
) -> None:
    use = OperatorsConsole(console, stack.description["console_url"])
    word = "stripe_simulator" if part == "Stripe simulator" else "checkout_finished_consumer"
    before = stack.child(word).pid
    use.press(part, "Kill", re.compile("running|ended|starting"))
    eventually(lambda: is_another(stack, word, before), 30, lambda: stack.log[-2000:])
    expect(use.row(part).locator(".track")).to_have_text("running")
    session = stack.create(stack.add_user())
    stack.pay(session)
    use.view("Live")
    expect(use.row(session.request_id)).to_contain_text("credited in")


def is_another(stack: RunningStack, word: str, pid: int) -> bool:
    try:
        return int(stack.child(word).pid) != pid
    except LookupError:
        return False


def test_the_page_says_that_its_server_is_away_and_carries_on(console: Page, stack: RunningStack) -> None:
    stack.stop()
    expect(console.locator("main")).to_contain_text("The console's server does not answer")
    console.get_by_role("link", name="Queues").click()
    expect(console.locator("main")).to_contain_text("Something is away.")
    expect(console.get_by_text("Loading …")).to_be_hidden()
    stack.start()
    expect(console.get_by_text("No record is parked.")).to_be_visible()
    console.get_by_role("link", name="Live", exact=True).click()
    expect(console.get_by_role("list", name="The money's way")).to_contain_text("Ledger")


def test_nobody_else_uses_the_console(console: Page, stack: RunningStack) -> None:
    """Another name of this address, whoever has no token, and another page of this browser."""
    origin = stack.description["console_url"].partition("/#")[0]
    named = console.goto(f"http://console.localhost:{origin.rpartition(':')[2]}/")
    assert named is not None
    assert named.status == 403
    console.goto(origin)
    console.evaluate("sessionStorage.clear()")
    for path in ("switchboard", "operations"):
        assert console.evaluate(SEND, f"{origin}/{path}") == 403
        console.goto(f"{stack.description['stripe_api_url']}/_simulator/health")
        with console.expect_navigation() as sent:
            console.evaluate(SUBMIT, f"{origin}/{path}")
        assert sent.value.status == 403
        expect(console.locator("body")).to_contain_text("A page of another origin has no access")
        console.goto(origin)
