"""The metrics of a world: what the code counts and measures, and what its log says of each alert.

A metric is heard when its process has sent it off: at the end of an invocation, and an alert's at once. What
a process has not sent off when it dies is lost.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from checkout.base import telemetry
from simulation.clock import Clock


class Heard(NamedTuple):
    """`about` is what the log says of an alert, with the request_id of all its lines."""

    time: float
    name: str
    value: int
    about: Mapping[str, Any]


@dataclass(slots=True)
class Invocation:
    """What a process has sent off, and what it has not yet; and what its log has said of its last alert."""

    sent: list[Heard] = field(default_factory=list)
    unsent: list[Heard] = field(default_factory=list)
    said: Mapping[str, Any] = field(default_factory=dict)
    waiting: str | None = None
    """The request_id in the log of the one that waits for this one's end, which has a log of its own."""

    def values(self, name: str) -> list[int]:
        return [one.value for one in self.sent if one.name == name]


class Metrics:
    """`heard` is all that was sent off, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self.heard: list[Heard] = []
        self._clock = clock
        self._own = threading.local()

    def listen(self) -> None:
        """From now on to this world's processes."""
        code: Any = telemetry
        code._add, code._flush, code.logger.error = self._add, self._flush, self._error

    @property
    def last(self) -> Invocation:
        """The one that ended last, of those that this thread has seen."""
        ended: Invocation = self._own.ended
        return ended

    def begin(self) -> None:
        """Another one can wait for this one's end."""
        self._going().append(Invocation(waiting=telemetry.logger.get_current_keys().get("request_id")))

    def end(self, *, has_died: bool) -> None:
        if not has_died:
            self._flush()
        self._own.ended = ended = self._going().pop()
        if self._going():
            telemetry.uncorrelate()
            telemetry.correlate(ended.waiting)

    def about(self, name: str, *fields: str) -> set[Any]:
        """What these fields of the alerts of this name say."""
        return {one.about.get(field) for one in self.heard if one.name == name for field in fields}

    def _going(self) -> list[Invocation]:
        try:
            going: list[Invocation] = self._own.going
        except AttributeError:
            going = self._own.going = []
        return going

    def _add(self, name: str, unit: str, value: int) -> None:
        del unit
        own = self._own.going[-1]
        said, own.said = own.said, {}
        own.unsent.append(Heard(self._clock.epoch, name, value, said if said.get("alert") == name else {}))

    def _flush(self) -> None:
        own = self._own.going[-1]
        self.heard += own.unsent
        own.sent += own.unsent
        own.unsent.clear()

    def _error(self, message: str, *, extra: Mapping[str, Any] | None = None, **_: object) -> None:
        del message
        if extra is not None and "alert" in extra:
            self._own.going[-1].said = {**telemetry.logger.get_current_keys(), **extra}
