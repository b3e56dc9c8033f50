import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stripe_simulator.settings import Settings
from stripe_simulator.storage.database import Command, Database
from stripe_simulator.storage.transaction import Environment, Transaction
from stripe_simulator.webhooks.spoiling import Spoiler


@pytest.fixture
def committed() -> list[str]:
    return []


@pytest.fixture
def database(tmp_path: Path, committed: list[str]) -> Iterator[Database]:
    made = _database(tmp_path, committed)
    made.open()
    yield made
    made.close()


def _database(folder: Path, committed: list[str]) -> Database:
    environment = Environment(Settings(data=folder), Spoiler(), lambda: 5.5)
    return Database(
        folder / "a" / "b.sqlite3", environment, lambda transaction: committed.extend(transaction.messages)
    )


def insert(name: str) -> Command[str]:
    def command(transaction: Transaction) -> str:
        transaction.insert({"id": name, "object": "thing", "created": transaction.now})
        transaction.say(name)
        return name

    return command


def count(transaction: Transaction) -> int:
    return len(transaction.all("thing"))


def test_each_command_is_done_or_undone_by_itself(database: Database, committed: list[str]) -> None:
    async def scenario() -> list[str | BaseException]:
        names = [str(number) for number in range(50)]
        # The second one of each name violates a constraint, in the same batch as its neighbours.
        return await asyncio.gather(
            *(database.run(insert(name)) for name in [*names, *names]),
            return_exceptions=True,
        )

    outcomes = asyncio.run(scenario())

    assert outcomes[:50] == [str(number) for number in range(50)]
    assert all(isinstance(outcome, Exception) for outcome in outcomes[50:])
    assert asyncio.run(database.run(count)) == 50
    assert committed == [str(number) for number in range(50)]


def test_commands_that_wait_together_share_a_commit(database: Database, committed: list[str]) -> None:
    entered, proceed = threading.Event(), threading.Event()

    def slow(_: Transaction) -> None:
        entered.set()
        proceed.wait(5)

    async def scenario() -> list[int]:
        first = asyncio.create_task(database.run(slow))
        await asyncio.to_thread(entered.wait, 5)
        later = [asyncio.create_task(database.run(_known_commits)) for _ in range(10)]
        await asyncio.sleep(0.05)
        proceed.set()
        await first
        return list(await asyncio.gather(*later))

    def _known_commits(transaction: Transaction) -> int:
        transaction.say("x")
        return len(committed)

    assert asyncio.run(scenario()) == [0] * 10
    assert committed == ["x"] * 10


def test_what_was_answered_is_there_after_opening_again(tmp_path: Path, committed: list[str]) -> None:
    first = _database(tmp_path, committed)
    first.open()
    asyncio.run(first.run(insert("kept")))
    second = _database(tmp_path, committed)
    second.open()
    assert asyncio.run(second.run(count)) == 1
    first.close()
    second.close()


def test_closing_finishes_what_was_asked_for(database: Database, committed: list[str]) -> None:
    async def scenario() -> None:
        tasks = [asyncio.create_task(database.run(insert(str(n)))) for n in range(20)]
        await asyncio.sleep(0)
        database.close()
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert len(committed) == 20
