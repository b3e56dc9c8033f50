"""What operators have accepted of what `verify` had found, as it was then."""

from collections import defaultdict

Cents = tuple[int, ...]

DISCARDED, TWICE = "DiscardedButPaid", "ReversedMoreThanPaid"


class Accepted:
    """By the name of the finding, and the payment intent that it is about."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], set[Cents]] = defaultdict(set)
        self._doubtful: set[tuple[str, str]] = set()

    def add(self, name: str, intent: str, cents: Cents) -> None:
        self._known[name, intent].add(cents)

    def doubt(self, name: str, intent: str) -> None:
        """It may have been accepted."""
        self._doubtful.add((name, intent))

    def restored(self) -> None:
        """The checkout database may have lost all of it."""
        self._doubtful |= self._known.keys()

    def is_possible(self, name: str, intent: str, cents: Cents) -> bool:
        """It may be accepted as it is now."""
        return (name, intent) in self._doubtful or cents in self._known.get((name, intent), ())

    def certain(self, name: str) -> set[str]:
        """Payments of which something was accepted, and is so still."""
        return {intent for known, intent in self._known.keys() - self._doubtful if known == name}
