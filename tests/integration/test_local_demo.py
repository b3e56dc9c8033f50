"""`make demo` with a stack that is just starting, and with payments of others."""

import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from local import demo
from local.demo import DemoError
from local.stack import description
from local.stack.description import Description
from tests.support.project import Project
from tests.support.running_stack import RunningStack
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("demo") / "project") as running:
        yield running


def enter(stack: RunningStack, amount_cents: int, *, balance: bool = True, **columns: Any) -> None:
    """Enter a payment of the demo user's as the consumer does, or without changing the balance."""
    entered = {"effect_key": f"test:{time.monotonic_ns()}", "request_id": "another", **columns}
    connection = psycopg2.connect(stack.description["database_url"])
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id)"
            " VALUES (%(effect_key)s, 1, %(amount_cents)s, 'eur', 'credit', %(request_id)s)",
            {**entered, "amount_cents": amount_cents},
        )
        if balance:
            cursor.execute("UPDATE users SET balance = balance + %s WHERE id = 1", (amount_cents,))
    connection.close()


def purchase(stack: RunningStack, **meanwhile: Any) -> str:
    """The output of the demo; `meanwhile` is entered after it has asked for the balance."""
    said: list[str] = []
    found = description.read(stack.folder / ".local")
    assert found is not None
    create = demo.create_session

    def create_session(stack_found: Description, request_id: str) -> dict[str, Any]:
        if meanwhile:
            enter(stack, **{"request_id": request_id, **meanwhile})
        return create(stack_found, request_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "create_session", create_session)
        demo.purchase(found, said.append)
    return "\n".join(said)


def test_another_payment_meanwhile_is_told_and_no_failure(stack: RunningStack) -> None:
    said = purchase(stack, amount_cents=700, request_id="another")

    assert "balance  0 + 500, and 700 by other payments = 1200" in said


def test_twice_for_one_request_is_a_failure(stack: RunningStack) -> None:
    with pytest.raises(DemoError, match="1000 instead of 500"):
        purchase(stack, amount_cents=500)


def test_a_balance_that_is_not_what_was_entered_is_a_failure(stack: RunningStack) -> None:
    try:
        with pytest.raises(DemoError, match="the entries of the ledger make"):
            purchase(stack, amount_cents=300, request_id="another", balance=False)
    finally:
        enter(stack, -300, balance=False)


def test_a_stack_that_is_starting_is_waited_for(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    process = project.launch()
    try:
        eventually(lambda: description.is_locked(project.folder / ".local"))
        done = project.command("demo")
    finally:
        process.terminate()
        process.wait(30)

    assert "A stack is just starting here" in done.stdout
    assert "Using the stack that runs" in done.stdout
    assert "starting one" not in done.stdout


def test_where_another_gives_up_one_is_started(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    data = project.folder / ".local"
    with description.locked(data):
        bought = subprocess.Popen(
            [sys.executable, "-m", "local", "demo"],
            cwd=project.folder,
            env=project.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert bought.stdout is not None
        assert "A stack is just starting here" in bought.stdout.readline()

    said, _ = bought.communicate(timeout=100)
    assert bought.returncode == 0, said
    assert "starting one" in said
    assert stat.S_IMODE((data / "demo.log").stat().st_mode) == 0o600
