"""What a run could not do. If a part of it fails, or an item of a part, the others are still done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from checkout.base import telemetry
from checkout.base.errors import CheckoutError, NotYetConfigured

SKIPPED_LISTED = 20

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Failure:
    """`what` is a part of the run, or one item of it."""

    what: str
    reason: str


@dataclass(slots=True)
class Failures:
    """`failed` are parts that ended early. `skipped` are items that a later run retries: the first 20 of
    `skipped_count`."""

    failed: list[Failure] = field(default_factory=list)
    skipped: list[Failure] = field(default_factory=list)
    skipped_count: int = 0

    def skip(self, what: str, reason: Exception | str) -> None:
        """Log and count the item. An alarm is raised if this goes on."""
        if isinstance(reason, Exception):
            reason = reason_of(reason)
        telemetry.logger.warning("skipped", extra={"what": what, "reason": reason})
        telemetry.count("ReconcilerSkipped")
        self.skipped_count += 1
        if len(self.skipped) < SKIPPED_LISTED:
            self.skipped.append(Failure(what, reason))


class Parts:
    """Runs the parts of one run in turn. Each may use an equal share of the time that is left, so a slow one
    does not starve the others."""

    def __init__(self, count: int, *, deadline: float, failures: Failures) -> None:
        """`deadline` is a time.monotonic()."""
        self._left = count
        self._deadline = deadline
        self._failures = failures

    def run(self, name: str, work: Callable[[float], Result], otherwise: Result) -> Result:
        """Return what `work` returns when it is called with its own deadline. If it fails, note the failure
        and return `otherwise`.

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
            self._failures.failed.append(Failure(name, reason_of(error)))
            telemetry.logger.error(
                "a part of the run failed",
                extra={"part": name, "reason": reason_of(error)},
                exc_info=not isinstance(error, CheckoutError),
            )
        return otherwise


def reason_of(error: Exception) -> str:
    """Safe to show: the details of an unknown error stay in the log."""
    return error.detail if isinstance(error, CheckoutError) else f"{type(error).__name__} in our code"
