"""Restarts children that end, unless somebody has stopped them."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from typing import Protocol

_LOOK_SECONDS = 0.1
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_STEADY_SECONDS = 10.0


class Startable(Protocol):
    """A part of the stack that serves between `start` and `stop`."""

    def start(self) -> None:
        """Return once it serves; raise if it cannot."""

    def stop(self) -> None:
        """End it."""


class Service(Startable, Protocol):
    """A child process that can be restarted with the same ports and data."""

    process: subprocess.Popen[bytes] | None


class Kept:
    """A service that is restarted when it ends, with longer pauses while it keeps ending; belongs to one
    event loop."""

    def __init__(self, name: str, service: Service, report: Callable[[str], None]) -> None:
        """`service` has been started."""
        self.name = name
        self._service = service
        self._report = report
        self._is_stopped = False
        self._is_starting = False
        self._changing = asyncio.Lock()

    @property
    def state(self) -> str:
        """running, stopped (by `stop`), starting, or ended (and about to be restarted)."""
        if self._is_stopped:
            return "stopped"
        if self._is_starting:
            return "starting"
        return "running" if self._runs() else "ended"

    async def run(self) -> None:
        """Keep it running until cancelled."""
        pause = _FIRST_PAUSE
        since = time.monotonic()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            async with self._changing:
                if self._is_stopped or self._runs():
                    continue
                if time.monotonic() - since > _STEADY_SECONDS:
                    pause = _FIRST_PAUSE
                self._report(f"{self.name} has ended ({_how(self._service)}); it is started again")
                try:
                    await self._start()
                    self._report(f"{self.name} is back")
                except Exception as error:  # noqa: BLE001 - the next attempt may succeed
                    self._report(f"{self.name} cannot be started: {error}")
            since = time.monotonic()
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def stop(self) -> None:
        """End it, and leave it so until `start`."""
        async with self._changing:
            self._is_stopped = True
            self._report(f"{self.name} is stopped on request")
            await asyncio.to_thread(self._service.stop)

    async def start(self) -> None:
        """Start it after a `stop`. If it cannot be started, `run` tries again."""
        async with self._changing:
            if not self._is_stopped:
                return
            self._is_stopped = False
            await self._start()
            self._report(f"{self.name} is started again on request")

    async def kill(self) -> None:
        """End it as a crash would (SIGKILL), and return once it has; `run` restarts it."""
        async with self._changing:
            if (process := self._service.process) is not None:
                process.kill()
                await asyncio.to_thread(process.wait)

    async def _start(self) -> None:
        self._is_starting = True
        try:
            await asyncio.to_thread(self._service.start)
        finally:
            self._is_starting = False

    def _runs(self) -> bool:
        return self._service.process is not None and self._service.process.poll() is None


def _how(service: Service) -> str:
    if service.process is None or service.process.returncode is None:
        return "not running"
    status = service.process.returncode
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
