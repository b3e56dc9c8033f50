"""What the simulator tells whoever watches it: one line a thing that happens."""

import json
import sys
import traceback
from contextlib import suppress
from typing import TextIO


def say(message: str) -> None:
    """Print one line, whatever callers put into it."""
    _write(message, sys.stdout)


def say_what_failed() -> None:
    """Print the exception that is being handled to standard error, with its traceback."""
    error = sys.exception()
    if error is not None:
        for line in "".join(traceback.format_tb(error.__traceback__)).splitlines():
            _write(line, sys.stderr)
        _write(f"{type(error).__name__}: {error}", sys.stderr)


def _write(line: str, stream: TextIO) -> None:
    # That nobody reads any more is no reason to stop.
    with suppress(OSError):
        stream.write(printable(line) + "\n")
        stream.flush()


def printable(text: str) -> str:
    """The text with everything escaped that has no glyph of its own; as `checkout.base.text.printable`."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
