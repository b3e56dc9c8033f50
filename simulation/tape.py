"""The tape of choices: all that is left to chance in a world is read from here.

Each step has a random source of its own, made of the seed and the step, so that a step that is taken out does
not change what the others choose. What is chosen of things with names depends on nothing but their names: it
stays the same if others are missing. A choice of a fault is 0 if nothing goes wrong, and can be forced to be.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import NamedTuple, TypeVar
from uuid import UUID

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
        """Of things with names the same one, as long as it is there: whatever else is there besides."""
        chosen = self._random.getrandbits(64)
        names = _names(among)
        if names is None:
            return among[chosen % len(among)]
        return among[min(range(len(among)), key=lambda number: _rank(chosen, names[number]))]

    def weighted(self, weights: dict[str, float]) -> str:
        return self._random.choices([*weights], [*weights.values()])[0]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        chosen = self._random.getrandbits(64)
        names = _names(items)
        if names is None:
            return Random(chosen).sample(items, len(items))
        return [items[number] for number in sorted(range(len(items)), key=lambda n: _rank(chosen, names[n]))]

    def digits(self, bits: int = 128) -> int:
        """So many random bits: for ids."""
        return self._random.getrandbits(bits)

    def uuid(self) -> UUID:
        """Version 4."""
        return UUID(int=self.digits(128), version=4)


def _names(things: Sequence[object]) -> list[str] | None:
    """None if one has none, or two have the same."""
    names = [name for thing in things if (name := _name(thing)) is not None]
    return names if len(names) == len(things) == len(set(names)) else None


def _name(thing: object) -> str | None:
    if isinstance(thing, str):
        return thing
    if isinstance(thing, Mapping):
        return str(thing["id"]) if "id" in thing else str(thing["event_id"]) if "event_id" in thing else None
    return getattr(thing, "name", None)


def _rank(chosen: int, name: str) -> int:
    return zlib.crc32(b"%d %s" % (chosen, name.encode()))
