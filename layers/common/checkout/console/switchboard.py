"""What a console may offer in order to break its system and to mend it again.

Only `make run` offers that: on AWS there is no switchboard, and the server answers 404.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Switch:
    """`kind` is webhooks, service or function; `acts` are what `act` takes in this state."""

    name: str
    kind: str
    state: str
    acts: Sequence[str]


class Switchboard(Protocol):
    def switches(self) -> Sequence[Switch]:
        """All of them, as they are now."""

    def act(self, name: str, act: str) -> None:
        """Return once it is done. Raises InvalidRequest for what is not offered, and Unavailable."""
