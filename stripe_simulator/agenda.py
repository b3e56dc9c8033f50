"""A loop for scheduled work: does what is due, then sleeps until the next is due or some is added."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from stripe_simulator.console import say_what_failed

LONGEST_SLEEP_SECONDS = 60.0
PAUSE_AFTER_ERROR_SECONDS = 1.0


@dataclass
class Agenda:
    """`step` does what is due and returns the time of the next (unix seconds), or None."""

    step: Callable[[], Awaitable[float | None]]
    clock: Callable[[], float]
    _poked: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop | None = None

    def poke(self) -> None:
        """Run a step, since something new may be due. May be called from any thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._poked.set)

    async def run(self) -> None:
        """Run steps until cancelled."""
        self._loop = asyncio.get_running_loop()
        while True:
            self._poked.clear()
            try:
                next_at = await self.step()
            except Exception:  # noqa: BLE001 - what failed is still due, and the rest must go on
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
