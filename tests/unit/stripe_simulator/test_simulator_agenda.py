import asyncio
import time
from collections.abc import Callable

import pytest

from stripe_simulator.agenda import Agenda


def calls_within(agenda: Agenda, seconds: float, during: Callable[[], None] = lambda: None) -> None:
    async def scenario() -> None:
        running = asyncio.create_task(agenda.run())
        await asyncio.sleep(seconds / 2)
        during()
        await asyncio.sleep(seconds / 2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scenario())


def test_a_step_is_taken_again_when_it_said() -> None:
    taken: list[float] = []

    async def step() -> float | None:
        taken.append(time.time())
        return time.time() + 0.1 if len(taken) == 1 else None

    calls_within(Agenda(step, time.time), 0.3)
    assert len(taken) == 2
    assert taken[1] - taken[0] >= 0.09


def test_a_poke_wakes_it_at_once() -> None:
    taken: list[float] = []

    async def step() -> float | None:
        taken.append(time.time())
        return None

    agenda = Agenda(step, time.time)
    calls_within(agenda, 0.2, agenda.poke)
    assert len(taken) == 2


def test_a_failure_is_shown_and_tried_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stripe_simulator.agenda.PAUSE_AFTER_ERROR_SECONDS", 0.05)
    taken: list[float] = []

    async def step() -> float | None:
        taken.append(time.time())
        if len(taken) == 1:
            raise RuntimeError("no room on the disk")
        return None

    calls_within(Agenda(step, time.time), 0.3)
    assert len(taken) == 2
    assert "no room on the disk" in capsys.readouterr().err
