"""What the simulator tells whoever watches it: one line a thing that happens."""

import sys
from contextlib import suppress


def say(message: str) -> None:
    """Print one line, whatever callers put into it. That nobody reads any more is no reason to stop."""
    with suppress(OSError):
        sys.stdout.write(" ".join(message.splitlines()) + "\n")
        sys.stdout.flush()
