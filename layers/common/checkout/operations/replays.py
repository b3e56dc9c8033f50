"""What both `replay --all` share: a run ends in time, and the next one continues after it.

Beginning again would not do, since what cannot be replayed would come first each time.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from checkout.base.errors import InvalidRequest
from checkout.operations.verb import Outcome, Parser

MOST_TRIED = 5_000
"""By one run: its report on them must fit into Lambda's answer, at most 6 MB."""

T = TypeVar("T")
Id = TypeVar("Id", int, str)


def one_or_all(parser: Parser, of_type: Callable[[str], object]) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("id", type=of_type, nargs="?")
    which.add_argument("--all", action="store_true", help="all that can be applied now")
    parser.add_argument("--after", type=of_type, metavar="ID", help="with --all: only those after this one")


def all_of(given: Namespace, what: str) -> str | None:
    """The plan's words for --all; None if an id is given. Raises InvalidRequest for an id with --after."""
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
    """The outcome, with the number of rows after `last` that were not tried."""
    left = 0 if last is None else left_after(last)
    return Outcome(content | {"left": left} | ({"after": last} if left else {}), clean=clean and not left)
