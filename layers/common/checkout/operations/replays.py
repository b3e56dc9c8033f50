"""What the two `replay --all` have in common: a run ends in time, and the next one can continue after it.

It could not only begin again: what cannot be replayed would come first each time.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from checkout.base.errors import InvalidRequest
from checkout.operations.verb import Outcome, Parser

MOST_TRIED = 5_000
"""By one run: what it says of each must fit into Lambda's answer, which has 6 MB."""

T = TypeVar("T")
Id = TypeVar("Id", int, str)


def one_or_all(parser: Parser, of_type: Callable[[str], object]) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=of_type, nargs="?")
    which.add_argument("--all", action="store_true", help="all that can be applied now")
    parser.add_argument("--after", type=of_type, metavar="ID", help="with --all: only those after this one")


def all_of(given: Namespace, what: str) -> str | None:
    """For the plan: None if one is chosen. Raises InvalidRequest if --after is given with it."""
    if given.id is None:
        return what if given.after is None else f"{what} after {given.after}"
    if given.after is not None:
        raise InvalidRequest("--after goes with --all.")
    return None


def in_time(rows: Iterable[T], seconds: float) -> Iterator[T]:
    """The rows until the time is up, or MOST_TRIED of them; one at least."""
    deadline = time.monotonic() + seconds
    for tried, row in enumerate(rows, 1):
        yield row
        if tried >= MOST_TRIED or time.monotonic() > deadline:
            return


def answer(content: dict[str, Any], clean: bool, last: Id | None, left_after: Callable[[Id], int]) -> Outcome:
    """With how many were not tried, after the last one that was."""
    left = 0 if last is None else left_after(last)
    return Outcome(content | {"left": left} | ({"after": last} if left else {}), clean=clean and not left)
