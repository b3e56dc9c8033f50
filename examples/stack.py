"""The stack of `make run` that somebody starts in another terminal."""

from collections.abc import Callable, Mapping
from pathlib import Path

from local.stack import description
from local.stack.description import Description
from local.waiting import until

DATA = Path(__file__).parents[1] / ".local"


def awaited(given: Mapping[str, str], say: Callable[[str], None], data: Path = DATA) -> Description:
    """Returns the stack with these settings once it is ready, however long that takes."""
    has_said = False

    def ready() -> Description | None:
        nonlocal has_said
        found = description.read(data)
        if found is None or given.items() <= found.settings.items():
            return found
        if not has_said:
            say("The stack that runs here has other settings: end it (Ctrl-C), and start it by that line.")
            has_said = True
        return None

    while (found := until(ready, 60, 0.5)) is None:
        continue
    return found
