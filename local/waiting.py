"""The one way to wait for something that only can be asked for."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(ask: Callable[[], T], seconds: float, pause: float = 0.02) -> T:
    """What `ask` returns once that is true; when the time is up, what it returned last.

    It is asked once more after the deadline: the machine may have done nothing else, either, for so long.
    """
    deadline, is_late = time.monotonic() + seconds, False
    while not (found := ask()) and not is_late:
        time.sleep(pause)
        is_late = time.monotonic() > deadline
    return found
