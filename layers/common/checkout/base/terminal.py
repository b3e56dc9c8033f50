"""Output for people: nothing in a text acts on the terminal, and no encoding makes writing fail."""

import getpass
import os
import sys
from typing import TextIO

from checkout.base.text import printable


def say(text: str) -> None:
    """Write lines to standard output."""
    write(text, sys.stdout)


def complain(text: str) -> None:
    """Write lines to standard error."""
    write(text, sys.stderr)


def write(text: str, stream: TextIO) -> None:
    """Write the lines of a text as `printable` shows them.

    Line feeds end lines, so a value from elsewhere has to be `printable` before it becomes part of the text.
    """
    put("\n".join(map(printable, text.split("\n"))) + "\n", stream)


def put(text: str, stream: TextIO) -> None:
    """Write what is printable already, except for colours; what the stream's encoding lacks is escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def confirmed(question: str) -> bool:
    """True if a person at the terminal says yes; False without a terminal."""
    if not sys.stdin.isatty():
        return False
    put(f"{printable(question)}? [y/N] ", sys.stderr)
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        put("\n", sys.stderr)
        return False


def user() -> str:
    """The name of the account that runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container's user may have no name.
        return f"user {os.getuid()}"
