"""What a verb returned, for a person to read, and for a program."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from checkout.base.text import printable, word
from checkout.outbox.finished_event import iso_utc


def as_json(content: dict[str, Any]) -> str:
    """ASCII alone, which every terminal and every pipe takes."""
    return json.dumps(content, indent=2, default=_plain)


def plain(content: dict[str, Any]) -> dict[str, Any]:
    """The same with nothing in it that JSON does not know."""
    result: dict[str, Any] = json.loads(as_json(content))
    return result


def for_people(content: dict[str, Any]) -> str:
    """One line for each row of a list; what is null is left out."""
    return "\n".join(printable(line) for name, value in content.items() for line in _lines(name, value))


def _lines(name: str, value: Any) -> Iterator[str]:
    match value, name:
        case [], _:
            yield f"{name}: none"
        case list(), "steps":
            yield from (_step(row) for row in value)
        case list(), "findings":
            yield from (line for row in value for line in _finding(row))
        case list(), _:
            yield f"{name}:"
            yield from ("  " + _row(row) for row in value)
        case dict(), _:
            yield f"{name}: {_row(value)}"
        case _:
            yield f"{name}: {_word(value)}"


def _step(row: dict[str, Any]) -> str:
    rest = {name: value for name, value in row.items() if name not in ("at", "table")}
    return f"{_word(row['at'])}  {row['table']:<21}  {_row(rest)}"


def _finding(row: dict[str, Any]) -> Iterator[str]:
    accepted = f" ({row['accepted']} accepted)" if row["accepted"] else ""
    if row["count"] == 0:
        yield f"ok       {row['name']}{accepted}"
        return
    yield f"{'BROKEN ' if row['is_offence'] else 'to know'}  {row['name']}: {row['count']}{accepted}"
    yield from ("           " + _row(sample) for sample in row["samples"])


def _row(row: Any) -> str:
    if not isinstance(row, dict):
        return _word(row)
    return "  ".join(f"{name}={_word(value)}" for name, value in row.items() if value is not None)


def _word(value: Any) -> str:
    return word(_plain(value))


def _plain(value: Any) -> str:
    return iso_utc(value) if isinstance(value, datetime) else str(value)
