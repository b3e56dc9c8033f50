"""Schedules, sixty times faster."""

import asyncio
import time
from typing import Any

from local import schedules
from local.template import Schedule
from local.workers import Result, Throttled

OK = Result(b"null")


async def for_a_while(
    schedule: Schedule, seconds: float, work: float = 0.0
) -> list[tuple[float, dict[str, Any]]]:
    """When the function was invoked, in seconds since the start, and with what; never twice at once."""
    begun = time.monotonic()
    runs: list[tuple[float, dict[str, Any]]] = []
    running = 0

    async def invoke(function: str, event: dict[str, Any]) -> Result:
        nonlocal running
        assert function == schedule.function
        assert running == 0
        running += 1
        runs.append((time.monotonic() - begun, event))
        await asyncio.sleep(work)
        running -= 1
        return OK

    task = asyncio.create_task(schedules.run(schedule, invoke))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return runs


def test_a_minute_is_a_second() -> None:
    runs = asyncio.run(for_a_while(Schedule("relay", "Tick", 6), 0.58))

    assert 4 <= len(runs) <= 5
    assert runs[0][0] >= 0.09


def test_a_long_run_delays_the_next_one_and_none_is_made_up_for() -> None:
    runs = asyncio.run(for_a_while(Schedule("relay", "Tick", 6), 0.9, work=0.25))

    assert 3 <= len(runs) <= 4


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
    ((_, given), *_) = asyncio.run(for_a_while(Schedule("relay", "Tick", 1, {"a": 1}), 0.1))
    ((_, own), *_) = asyncio.run(for_a_while(Schedule("relay", "Tick", 1), 0.1))

    assert given == {"a": 1}
    assert (own["detail-type"], own["source"]) == ("Scheduled Event", "aws.events")
    assert own["resources"][0].endswith("rule/relay-Tick")
