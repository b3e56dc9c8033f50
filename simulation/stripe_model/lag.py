"""Stripe's reads fall behind: for a while they show what there was when that began."""

import zlib
from collections.abc import Iterable, Mapping, Sequence

from simulation.clock import Clock
from simulation.stripe_model.account import Account, Resource

LATE_SECONDS = 1800
"""After so many an event is listed that is listed late: one of four."""


class Lag:
    """Of objects that are read by their id, and of a payment's refunds and disputes."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account, self._clock = account, clock
        self._shown: Mapping[str, int] = {}
        """By object the number of states that reads show."""
        self._until = 0.0

    @property
    def is_behind(self) -> bool:
        return self._clock.epoch < self._until

    def begin(self, seconds: float) -> None:
        self._shown = {name: len(states) for name, states in self._account.states.items()}
        self._until = self._clock.epoch + seconds

    def end(self) -> None:
        self._until = 0.0

    def states(self, object_id: str) -> Sequence[Resource]:
        """Those that reads show, oldest first; none of an object that they do not show yet."""
        states = self._account.states.get(object_id, [])
        return states[: self._shown.get(object_id, 0)] if self.is_behind else states

    def shown(self, resources: Iterable[Resource]) -> list[Resource]:
        """As reads show them, without those that they do not show yet."""
        return [states[-1] for one in resources if (states := self.states(one["id"]))]


def is_listed(event: Resource, now: float) -> bool:
    return zlib.crc32(event["id"].encode()) % 4 > 0 or event["created"] + LATE_SECONDS <= now
