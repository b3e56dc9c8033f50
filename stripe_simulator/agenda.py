"""Work that is due at times of its own: done, then slept until the next is due or somebody adds some."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from stripe_simulator.console import say_what_failed

LONGEST_SLEEP_SECONDS = 60.0
PAUSE_AFTER_ERROR_SECONDS = 1.0


@dataclass
class Agenda:
    """`step` does what is due and returns when more will be (unix seconds), or None."""

    step: Callable[[], Awaitable[float | None]]
    clock: Callable[[], float]
    _poked: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def poke(self) -> None:
        """Something new may be due. May be called from any thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._poked.set)

    async def run(self) -> None:
        """Go on until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._poked.clear()
            try:
                next_at = await self.step()
            except Exception:  # noqa: BLE001 - whatever failed is still due, and the rest of it must go on
                say_what_failed()
                next_at = self.clock() + PAUSE_AFTER_ERROR_SECONDS
            await self._sleep_until(next_at)

    async def _sleep_until(self, next_at: float | None) -> None:
        left = LONGEST_SLEEP_SECONDS if next_at is None else next_at - self.clock()
        try:
            async with asyncio.timeout(min(max(left, 0.0), LONGEST_SLEEP_SECONDS)):
                await self._poked.wait()
        except TimeoutError:
            return
