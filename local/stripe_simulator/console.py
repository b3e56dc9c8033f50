"""What the simulator tells whoever watches it: one line a thing that happens."""

import sys
from contextlib import suppress


def say(message: str) -> None:
    """Print one line. That nobody reads any more is no reason to stop."""
    with suppress(OSError):
        sys.stdout.write(message + "\n")
        sys.stdout.flush()
