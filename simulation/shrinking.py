"""Find the fewest steps, and the fewest faults, with which a world still breaks the same rule."""

import time
from collections.abc import Collection, Sequence
from typing import Protocol

from simulation.play import Played
from simulation.tape import Place


class Replay(Protocol):
    """Plays the world again with these steps, and without these faults."""

    def __call__(self, steps: Sequence[int], mended: Collection[Place], *, settles: bool) -> Played: ...


SECONDS = 60.0


class Shrinking:
    """`steps` and `mended` are the fewest so far, `played` is what they end in."""

    def __init__(
        self, replay: Replay, played: Played, steps: Sequence[int], mended: Collection[Place]
    ) -> None:
        self.steps, self.mended, self.played = list(steps), set(mended), played
        self._replay = replay
        # What broke before all was to settle need not settle again to break.
        self._settles = played.step > max(steps, default=0)
        self._ends = time.monotonic() + SECONDS

    def __call__(self) -> None:
        """Until nothing can be left out any more, or the time is up."""
        self.steps = [step for step in self.steps if step <= self.played.step]
        # Where nothing fails, a world is short and soon played.
        self._mend_faults(parts=4)
        self._leave_out_steps(max(1, len(self.steps) // 2))
        self._mend_faults(parts=len(self.played.faults))
        self._leave_out_steps(1)

    def _leave_out_steps(self, size: int) -> None:
        """Delta debugging: ever smaller parts, as long as one of them can be left out."""
        while True:
            start, has_shrunk = 0, False
            while start < len(self.steps):
                fewer = self.steps[:start] + self.steps[start + size :]
                if self._still_breaks(fewer, self.mended):
                    has_shrunk = True
                else:
                    start += size
            if size == 1 and not has_shrunk:
                return
            size = max(1, size // 2)

    def _mend_faults(self, parts: int) -> None:
        """All at once, then ever smaller ones of so many parts."""
        size = len(self.played.faults)
        smallest = max(1, size // max(1, parts))
        while size >= smallest and self.played.faults:
            faults = [fault.at for fault in self.played.faults]
            for start in range(0, len(faults), size):
                self._still_breaks(self.steps, self.mended | {*faults[start : start + size]})
            size //= 2

    def _still_breaks(self, steps: Sequence[int], mended: Collection[Place]) -> bool:
        if time.monotonic() > self._ends:
            return False
        played = self._replay(steps, mended, settles=self._settles)
        if played.rule != self.played.rule:
            return False
        self.steps, self.mended, self.played = list(steps), set(mended), played
        return True
