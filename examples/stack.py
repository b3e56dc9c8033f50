"""The stack of `make run` that somebody starts in another terminal."""

from pathlib import Path

from local.stack import description
from local.stack.description import Description
from local.waiting import until

DATA = Path(__file__).parents[1] / ".local"


def awaited() -> Description:
    """Returns once it is ready, however long that takes."""
    while (found := until(lambda: description.read(DATA), 60, 0.5)) is None:
        continue
    return found
