"""Restarts children that end."""

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


async def keep(name: str, service: Service, report: Callable[[str], None]) -> None:
    """Restart the service when it ends, until cancelled; with longer pauses while it keeps ending."""
    pause = _FIRST_PAUSE
    since = time.monotonic()
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        if service.process is not None and service.process.poll() is None:
            continue
        if time.monotonic() - since > _STEADY_SECONDS:
            pause = _FIRST_PAUSE
        report(f"{name} has ended ({_how(service)}); it is started again")
        try:
            await asyncio.to_thread(service.start)
            report(f"{name} is back")
        except Exception as error:  # noqa: BLE001 - the next attempt may succeed
            report(f"{name} cannot be started: {error}")
        since = time.monotonic()
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)


def _how(service: Service) -> str:
    if service.process is None or service.process.returncode is None:
        return "not running"
    status = service.process.returncode
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
