"""The simulator's log: one line for each event."""

import json
import sys
import traceback
from contextlib import suppress
from typing import TextIO


def say(message: str) -> None:
    """Print one line; control characters in it are escaped."""
    _write(message, sys.stdout)


def say_what_failed() -> None:
    """Print the current exception with its traceback to standard error."""
    error = sys.exception()
    if error is not None:
        for line in "".join(traceback.format_tb(error.__traceback__)).splitlines():
            _write(line, sys.stderr)
        _write(f"{type(error).__name__}: {error}", sys.stderr)


def _write(line: str, stream: TextIO) -> None:
    # It goes on when nobody reads its output any more.
    with suppress(OSError):
        stream.write(printable(line) + "\n")
        stream.flush()


def printable(text: str) -> str:
    """The text with every unprintable character escaped, as in `checkout.base.text.printable`."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
