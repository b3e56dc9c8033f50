"""`journal`: who changed what by these verbs."""

from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from checkout.operations import text
from checkout.operations.journal import Journal
from checkout.operations.verb import Outcome, Verbs, a_text, limited, moment
from checkout.system import System


def declare(verbs: Verbs) -> None:
    what = "list what was changed by these verbs, newest first"
    journal = verbs.add("journal", what, acts, lines=lines)
    journal.add_argument("--by", type=a_text, metavar="NAME", help="only by this operator")
    journal.add_argument(
        "--of", type=a_text, metavar="VERB", help='only of this verb, for example "parked discard"'
    )
    journal.add_argument("--since", type=moment, metavar="TIME", help="since 2026-11-23T12:00:00Z")
    limited(journal)


def acts(given: Namespace, system: System) -> Outcome:
    since = None if given.since is None else datetime.fromtimestamp(given.since, UTC)
    return Outcome(
        {"acts": Journal(system).newest(operator=given.by, verb=given.of, since=since, limit=given.limit)}
    )


def lines(content: dict[str, Any]) -> Iterator[str]:
    """`content` as `acts` returns it, or as JSON has it."""
    yield from text.lines({"acts": [dict(_pairs(act)) for act in content["acts"]]})


def _pairs(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What is in a row, by its place: ("effect.discarded.0.id", 7). What is empty is left out."""
    match given:
        case dict():
            inner = ((str(key), value) for key, value in given.items())
        case list():
            inner = ((str(place), value) for place, value in enumerate(given))
        case _:
            yield name, given
            return
    for key, value in inner:
        yield from _pairs(value, f"{name}.{key}" if name else key)
