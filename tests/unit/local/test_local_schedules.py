"""Schedules, sixty times faster."""

import asyncio
import time
from itertools import pairwise
from typing import Any

from local.lambda_runtime import schedules
from local.lambda_runtime.environments import Result, Throttled
from local.lambda_runtime.template import Schedule

OK = Result(b"null")
PATIENCE_SECONDS = 20.0
EARLY_SECONDS = 0.01
"""The tolerance for an early clock, in seconds."""


async def first(
    count: int, schedule: Schedule, work: float = 0.0
) -> list[tuple[float, float, dict[str, Any]]]:
    """The start and end of the first runs, in seconds since the beginning, and their events.

    Only the first one takes time, `work` seconds; runs never overlap.
    """
    runs: list[tuple[float, float, dict[str, Any]]] = []
    running = 0

    async def invoke(function: str, event: dict[str, Any]) -> Result:
        nonlocal running
        assert function == schedule.function
        assert running == 0
        running += 1
        began = time.monotonic() - begun
        await asyncio.sleep(0 if runs else work)
        running -= 1
        runs.append((began, time.monotonic() - begun, event))
        return OK

    begun = time.monotonic()
    task = asyncio.create_task(schedules.run(schedule, invoke))
    while len(runs) < count:
        assert not task.done()
        assert time.monotonic() < begun + PATIENCE_SECONDS
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return runs[:count]


def test_a_minute_is_a_second() -> None:
    runs = [began for began, _, _ in asyncio.run(first(6, Schedule("relay", "Tick", 6)))]

    for number, began in enumerate(runs, 1):
        assert began > 0.1 * number - EARLY_SECONDS
    assert min(later - earlier for earlier, later in pairwise(runs)) < 0.15, (
        "any of them can be late, not all"
    )


def test_a_long_run_delays_the_next_one_and_none_is_made_up_for() -> None:
    runs = asyncio.run(first(5, Schedule("relay", "Tick", 6), work=0.55))

    _, ended, _ = runs[0]
    assert runs[1][0] >= ended
    for number, (began, _, _) in enumerate(runs[2:], 1):
        assert began > ended + 0.1 * number - EARLY_SECONDS


def test_a_run_that_finds_no_free_environment_is_left_out() -> None:
    async def scenario() -> int:
        attempts = 0

        async def busy(function: str, event: dict[str, Any]) -> Result:
            nonlocal attempts
            attempts += 1
            raise Throttled(function)

        task = asyncio.create_task(schedules.run(Schedule("relay", "Tick", 1), busy))
        while attempts < 3:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return attempts

    assert asyncio.run(scenario()) >= 3


def test_the_event_is_the_input_or_eventbridge_s_own() -> None:
    [(_, _, given)] = asyncio.run(first(1, Schedule("relay", "Tick", 1, {"a": 1})))
    [(_, _, own)] = asyncio.run(first(1, Schedule("relay", "Tick", 1)))

    assert given == {"a": 1}
    assert (own["detail-type"], own["source"]) == ("Scheduled Event", "aws.events")
    assert own["resources"][0].endswith("rule/relay-Tick")


def test_a_call_that_fails_is_logged_and_the_next_one_made() -> None:
    logged: list[str] = []

    async def scenario() -> None:
        async def away(function: str, event: dict[str, Any]) -> Result:
            raise ConnectionError("nobody there")

        task = asyncio.create_task(schedules.run(Schedule("relay", "Tick", 1), away, log=logged.append))
        while len(logged) < 3:
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())

    assert "nobody there" in logged[0]
