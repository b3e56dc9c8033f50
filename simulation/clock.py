"""The time of a world. Python's comes from here, and PostgreSQL's from `sim.now()`, which a transaction is
told when it begins."""

import importlib
import pkgutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import checkout

BEGINNING = 1_790_000_000.0
"""Epoch seconds: 21 September 2026."""


class Clock:
    """`epoch` are seconds since 1970. It moves when the world moves it, and when the code sleeps."""

    def __init__(self) -> None:
        self.epoch = BEGINNING
        self.seconds_a_transaction = 0.0
        """By so much it moves at each; not at all if nobody asks what came first."""
        self.while_asleep: Callable[[], None] = lambda: None
        """What the others do meanwhile."""

    def time(self) -> float:
        return self.epoch

    def sleep(self, seconds: float) -> None:
        self.epoch += max(seconds, 0.01)
        self.while_asleep()

    def pass_(self, seconds: float) -> None:
        self.epoch += seconds


def install(clock: Clock, package: ModuleType = checkout) -> None:
    """All modules of the code have this clock instead of Python's, also where it is a parameter's default."""
    prefix = f"{package.__name__}."
    for found in pkgutil.walk_packages(package.__path__, prefix):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)

    class Moment(datetime):
        """A datetime whose `now` is the world's."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Moment":
            return cls.fromtimestamp(clock.epoch, tz or UTC)

    told = {"time": clock.time, "monotonic": clock.time, "perf_counter": clock.time, "sleep": clock.sleep}
    replaced: dict[int, Any] = {id(getattr(time, name)): instead for name, instead in told.items()}
    replaced |= {id(time): SimpleNamespace(**{**vars(time), **told}), id(datetime): Moment}
    for module in [module for name, module in sys.modules.items() if name.startswith(prefix)]:
        for name, value in list(vars(module).items()):
            if id(value) in replaced:
                vars(module)[name] = replaced[id(value)]
            elif isinstance(value, FunctionType) and value.__defaults__:
                value.__defaults__ = tuple(replaced.get(id(one), one) for one in value.__defaults__)
