"""The cases of `python -m local trouble`: in the console alone one finds why the payment is not credited, and
mends it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from local.trouble import CASES
from tests.end_to_end.operators_console import OperatorsConsole
from tests.support.project import Project
from tests.support.running_stack import RunningStack

ADA = {"Your name": "ada"}


@pytest.fixture(scope="module")
def stack(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """Asks for the browser first: without one there is nothing to start."""
    with RunningStack(tmp_path_factory.mktemp("stack") / "project") as running:
        yield running


@pytest.fixture
def console(page: Page, stack: RunningStack) -> OperatorsConsole:
    return OperatorsConsole(page, stack.description["console_url"])


def given(stack: RunningStack, case: str) -> str:
    """Prepare the case, and the same again; returns its payment."""
    printed = [stack.command("trouble", case).stdout for _ in range(2)]
    first, second = (re.findall(r"Payment (\S+) of user", text) for text in printed)
    assert first == second
    return str(first[0])


@pytest.mark.parametrize(
    ("case", "live", "story", "part"),
    [
        (
            "broker-away",
            "waits for Kafka",
            "Its message waits for Kafka. Does the broker run?",
            "Kafka broker",
        ),
        (
            "function-killed",
            "on Kafka, not in the ledger yet",
            "Does checkout_finished_consumer run?",
            "checkout_finished_consumer",
        ),
    ],
)
def test_a_part_is_away_and_is_started(
    console: OperatorsConsole, stack: RunningStack, case: str, live: str, story: str, part: str
) -> None:
    request_id = given(stack, case)
    expect(console.row(request_id)).to_contain_text(live)
    console.payment(request_id)
    expect(console.main).to_contain_text(story)
    console.view("Switchboard")
    expect(console.row(part)).to_contain_text("stopped")
    console.press(part, "Start", "running")
    console.is_credited(request_id)


def test_a_record_of_an_unknown_user_is_parked(console: OperatorsConsole, stack: RunningStack) -> None:
    request_id = given(stack, "parked-unknown-user")
    console.payment(request_id)
    expect(console.main).to_contain_text("Its record is parked: there is no such user.")
    console.main.get_by_role("link", name="Go there").click()
    row = console.row(request_id)
    console.decide(row, "Add the user", {**ADA, "Email": "back@example.com"}, "an empty balance")
    console.decide(row, "Replay", ADA, f"success:{request_id}")
    expect(console.main).to_contain_text("No record is parked.")
    console.is_credited(request_id)


def test_an_event_is_held(console: OperatorsConsole, stack: RunningStack) -> None:
    request_id = given(stack, "held-event")
    console.payment(request_id)
    expect(console.main).to_contain_text("is held: Stripe refuses to give its object")
    expect(console.main).not_to_contain_text("Stripe has not reported that it is paid.")
    expect(console.main).not_to_contain_text("..")
    console.main.get_by_role("link", name="Go there").first.click()
    console.decide(console.row("Stripe refuses to give"), "Replay", ADA, "Apply evt_")
    console.is_credited(request_id)


def test_a_refund_waits_for_its_payment(console: OperatorsConsole, stack: RunningStack) -> None:
    before = stack.balance(stack.description["demo_user_id"])
    request_id = given(stack, "waiting-refund")
    console.payment(request_id)
    expect(console.main).to_contain_text("Stripe has not reported that it is paid.")
    console.main.get_by_role("link", name="Go there").click()
    expect(console.row("refund.created")).to_contain_text("its payment has not succeeded yet")
    console.decide(console.main, "Reconcile now", {}, "reads what was missed")
    console.is_credited(request_id)
    console.press("reconciler", "Start", "running")
    stack.until_settled()
    assert stack.balance(stack.description["demo_user_id"]) == before + 300


def test_the_database_is_away(console: OperatorsConsole, stack: RunningStack) -> None:
    request_id = given(stack, "database-away")
    expect(console.main).to_contain_text("Something is away. overview failed: The database is not available")
    expect(console.main).to_contain_text("At the switchboard: PostgreSQL: stopped.")
    console.payment(request_id)
    expect(console.main).to_contain_text("Something is away.")
    console.main.get_by_role("link", name="Switchboard").click()
    expect(console.row("PostgreSQL")).to_contain_text("stopped")
    console.press("PostgreSQL", "Start", "running")
    console.view("Live")
    expect(console.main).not_to_contain_text("Something is away.")
    console.is_credited(request_id)


def test_a_mended_case_is_prepared_anew(console: OperatorsConsole, stack: RunningStack) -> None:
    first = given(stack, "function-killed")
    console.press("checkout_finished_consumer", "Start", "running")
    console.is_credited(first)
    second = given(stack, "function-killed")
    assert second != first
    console.press("checkout_finished_consumer", "Start", "running")
    console.is_credited(second)


def test_the_help_says_what_to_look_for(stack: RunningStack) -> None:
    said = stack.command("trouble", "--help").stdout
    assert len(CASES) == 6
    assert all(name in said and case.look in said for name, case in CASES.items())
    assert not re.search(r"\b(replay|reconcile|start it|switchboard)\b", said, re.IGNORECASE)


def test_without_a_stack_it_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    refused = project.command("trouble", "held-event", check=False)
    assert refused.returncode == 1
    assert refused.stderr.strip() == "error: no stack runs in this folder: start one with make run"
