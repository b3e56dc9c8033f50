"""What a verb returned, for a person to read, and for a program."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from checkout.base.text import printable, word
from checkout.outbox.finished_event import iso_utc


def as_json(content: dict[str, Any]) -> str:
    """ASCII, which every terminal and every pipe takes."""
    return json.dumps(content, indent=2, default=_plain)


def plain(content: dict[str, Any]) -> dict[str, Any]:
    """The same with nothing in it that JSON does not know."""
    result: dict[str, Any] = json.loads(as_json(content))
    return result


def for_people(content: dict[str, Any]) -> str:
    return joined(lines(content))


def joined(given: Iterable[str]) -> str:
    """A text of these lines; each stays one line, no matter what is in it."""
    return "\n".join(map(printable, given))


def lines(content: dict[str, Any]) -> Iterator[str]:
    """One line for each row of a list; null values are left out."""
    for name, value in content.items():
        match value:
            case []:
                yield f"{name}: none"
            case list():
                yield f"{name}:"
                yield from ("  " + columns(row) for row in value)
            case _:
                yield f"{name}: {columns(value)}"


def columns(row: Any) -> str:
    """A row as `name=value name=value`; anything else as one word."""
    if not isinstance(row, dict):
        return shown(row)
    return "  ".join(f"{name}={shown(value)}" for name, value in row.items() if value is not None)


def shown(value: Any) -> str:
    """As one word, in quotes if it is more than visible ASCII."""
    return word(_plain(value))


def _plain(value: Any) -> str:
    return iso_utc(value) if isinstance(value, datetime) else str(value)
