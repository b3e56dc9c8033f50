"""The tape of choices: all that is left to chance in a world is read from here.

Each step has a random source of its own, made of the seed and the step, so that a step that is taken out does
not change what the others choose. A choice of a fault is 0 if nothing goes wrong, and can be forced to be.
"""

from collections.abc import Collection, Sequence
from random import Random
from typing import NamedTuple, TypeVar

T = TypeVar("T")

Place = tuple[int, int]
"""A choice: its step, and its number there."""


class Choice(NamedTuple):
    """Choice `n` of `m` at a place in the world; `at` is where it stands on the tape."""

    at: Place
    place: str
    n: int
    m: int


class Tape:
    def __init__(self, seed: int, mended: Collection[Place] = ()) -> None:
        """At the choices in `mended` nothing goes wrong."""
        self.seed = seed
        self.faults: list[Choice] = []
        """Those at which something went wrong."""
        self._mended = frozenset(mended)
        self._step = 0
        self._number = 0
        self._random = Random(f"{seed}")

    def begin(self, step: int) -> None:
        self._step, self._number = step, 0
        self._random = Random(f"{self.seed} {step}")

    def fault(self, place: str, names: Sequence[str], probability: float) -> str | None:
        """One of the names with this probability, or None: nothing goes wrong."""
        at = (self._step, self._number)
        self._number += 1
        happens, which = self._random.random() < probability, self._random.randrange(max(1, len(names)))
        if not happens or not names or at in self._mended:
            return None
        self.faults.append(Choice(at, f"{place}: {names[which]}", which + 1, len(names) + 1))
        return names[which]

    def chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def number(self, least: int, most: int) -> int:
        """From `least` to `most`, both included."""
        return self._random.randint(least, most)

    def pick(self, among: Sequence[T]) -> T:
        return among[self._random.randrange(len(among))]

    def weighted(self, weights: dict[str, float]) -> str:
        return self._random.choices([*weights], [*weights.values()])[0]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        return self._random.sample(items, len(items))

    def digits(self, bits: int = 128) -> int:
        """So many random bits: for ids."""
        return self._random.getrandbits(bits)
