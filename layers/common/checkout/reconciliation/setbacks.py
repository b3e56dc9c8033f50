"""What a run could not do. Its parts stand alone, and so does each item of a part: the others are done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from checkout.base import telemetry
from checkout.base.errors import CheckoutError, NotYetConfigured

SKIPPED_LISTED = 20

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Setback:
    """`what` is a part of the run, or one item of it."""

    what: str
    reason: str


@dataclass(slots=True)
class Setbacks:
    """`failed` are parts that ended early. `skipped` are items that a later run tries again: the first 20 of
    `skipped_count`."""

    failed: list[Setback] = field(default_factory=list)
    skipped: list[Setback] = field(default_factory=list)
    skipped_count: int = 0

    def skip(self, what: str, reason: Exception | str) -> None:
        """Log the item, and count it: an alarm watches that this does not go on."""
        if isinstance(reason, Exception):
            reason = reason_of(reason)
        telemetry.logger.warning("skipped", extra={"what": what, "reason": reason})
        telemetry.count("ReconcilerSkipped")
        self.skipped_count += 1
        if len(self.skipped) < SKIPPED_LISTED:
            self.skipped.append(Setback(what, reason))


class Parts:
    """The parts of one run, one after the other. Each may use an equal share of the time that is left, so a
    slow one does not starve the others."""

    def __init__(self, count: int, *, deadline: float, setbacks: Setbacks) -> None:
        """`deadline` is a time.monotonic()."""
        self._left = count
        self._deadline = deadline
        self._setbacks = setbacks

    def run(self, name: str, work: Callable[[float], Result], otherwise: Result) -> Result:
        """What `work` returns, which is given its own deadline. If it fails, the failure is noted and
        `otherwise` returned.

        Raises NotYetConfigured.
        """
        now = time.monotonic()
        share = (self._deadline - now) / max(1, self._left)
        self._left -= 1
        try:
            return work(now + share)
        except NotYetConfigured:
            raise
        except Exception as error:  # noqa: BLE001 - the other parts have nothing to do with it
            self._setbacks.failed.append(Setback(name, reason_of(error)))
            telemetry.logger.error(
                "a part of the run failed",
                extra={"part": name, "reason": reason_of(error)},
                exc_info=not isinstance(error, CheckoutError),
            )
        return otherwise


def reason_of(error: Exception) -> str:
    """Safe to show: the details of an unknown error stay in the log."""
    return error.detail if isinstance(error, CheckoutError) else f"{type(error).__name__} in our code"
