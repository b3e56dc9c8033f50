"""What a run could not do. If a part of it fails, or an item of a part, the others are still done."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

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


class Part(Generic[Result]):
    """A part of a run. `work` is called with its own deadline; if it fails, `result` stays `otherwise`."""

    def __init__(self, name: str, work: Callable[[float], Result], otherwise: Result) -> None:
        self.name = name
        self.work = work
        self.result = otherwise


def run_each(parts: Sequence[Part[Any]], *, deadline: float, failures: Failures) -> None:
    """Run them in turn, until time.monotonic() passes `deadline`. Each may use an equal share of the time
    that is left, so a slow one does not starve the others. A failure is noted, and the others run.

    Raises NotYetConfigured.
    """
    for done, part in enumerate(parts):
        now = time.monotonic()
        try:
            part.result = part.work(now + (deadline - now) / (len(parts) - done))
        except NotYetConfigured:
            raise
        except Exception as error:  # noqa: BLE001 - the other parts have nothing to do with it
            failures.failed.append(Failure(part.name, reason_of(error)))
            telemetry.logger.error(
                "a part of the run failed",
                extra={"part": part.name, "reason": reason_of(error)},
                exc_info=not isinstance(error, CheckoutError),
            )


def reason_of(error: Exception) -> str:
    """Safe to show: the details of an unknown error stay in the log."""
    return error.detail if isinstance(error, CheckoutError) else f"{type(error).__name__} in our code"
