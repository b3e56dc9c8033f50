"""A part of the stack comes back when it has ended, and stays away when somebody has stopped it."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable

import pytest

from local import processes
from local.stack import supervisor
from local.stack.supervisor import Kept


class Sleeper(processes.Child):
    """A process that does nothing."""

    def __init__(self) -> None:
        self.starts = 0
        self.failure: Exception | None = None
        self.serves: threading.Event | None = None

    def start(self) -> None:
        if self.failure is not None:
            raise self.failure
        self.starts += 1
        self.process = processes.spawn(["sleep", "600"])
        if self.serves is not None:
            assert self.serves.wait(20)

    def stop(self) -> None:
        self.end(signal.SIGTERM)


def kept(do: Callable[[Kept, Sleeper], Awaitable[None]]) -> list[str]:
    """Do it with a kept service; returns what was reported."""
    said: list[str] = []

    async def all_of_it() -> None:
        service = Sleeper()
        service.start()
        one = Kept("it", service, said.append)
        running = asyncio.create_task(one.run())
        try:
            await do(one, service)
        finally:
            running.cancel()
            service.stop()

    asyncio.run(all_of_it())
    return said


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not is_so():
            await asyncio.sleep(0.01)


def test_what_was_killed_is_started_again() -> None:
    async def do(one: Kept, service: Sleeper) -> None:
        await one.kill()
        await until(lambda: service.starts == 2 and one.state == "running")

    assert kept(do) == ["it has ended (signal 9); it is started again", "it is back"]


def test_what_was_stopped_stays_away_until_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LOOK_SECONDS", 0.0)

    async def do(one: Kept, service: Sleeper) -> None:
        await one.stop()
        assert one.state == "stopped"
        for _ in range(50):  # As many looks of `run`.
            await asyncio.sleep(0)
        assert service.starts == 1
        await one.start()
        await one.start()
        assert (service.starts, one.state) == (2, "running")

    assert kept(do) == ["it is stopped on request", "it is started again on request"]


def test_what_does_not_serve_yet_is_not_running() -> None:
    async def do(one: Kept, service: Sleeper) -> None:
        service.serves = threading.Event()
        await one.kill()
        await until(lambda: service.starts == 2)
        assert one.state == "starting"
        service.serves.set()
        await until(lambda: one.state == "running")

    kept(do)


def test_a_start_that_fails_is_tried_again() -> None:
    async def do(one: Kept, service: Sleeper) -> None:
        await one.stop()
        service.failure = RuntimeError("the port is taken")
        with pytest.raises(RuntimeError, match="the port is taken"):
            await one.start()
        service.failure = None
        await until(lambda: one.state == "running")

    assert kept(do)[-1] == "it is back"
