"""Worlds in several processes, each with databases of its own."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from simulation import clock, server
from simulation.interleaved.play import InterleavedPlayer
from simulation.play import STEPS, Played, Player
from simulation.quiet import be_quiet
from simulation.shrinking import Shrinking
from simulation.tape import Place
from simulation.upgraded.play import UpgradedPlayer

CHUNK = 4
ONE_IN = 10
"""In one of so many worlds several processes work at once."""
ONE_UPGRADED_IN, UPGRADED = 20, 7
"""One of so many begins with the release before, that with this remainder."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A world to play: all of its steps, or some; and whether to look for the fewest if a rule breaks."""

    seed: int
    steps: Sequence[int] = range(1, STEPS + 1)
    mended: frozenset[Place] = frozenset()
    shrinks: bool = True


@dataclass(slots=True)
class Result:
    """`steps` are the fewest that break the same rule, as `shrunk` shows; faults `mended` do not matter."""

    played: Played
    shrunk: Played | None = None
    steps: Sequence[int] = ()
    mended: Sequence[Place] = ()


@contextmanager
def playing(processes: int, *, has_upgraded: bool) -> Iterator[Any]:
    """A pool whose `imap_unordered(play, wanted)` gives results. Raises NoHistory if it `has_upgraded` worlds
    and git has no release before this one."""
    # In the order of a hash that differs, the same world would differ.
    os.environ["PYTHONHASHSEED"] = "0"
    be_quiet()
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        server.serving(Path(folder), processes, has_before=has_upgraded) as databases,
    ):
        urls: Any = context.Queue()
        for each in databases:
            urls.put(each)
        with context.Pool(processes, _begin, (urls,)) as pool:
            yield pool


def play(wanted: Wanted) -> Result:
    [players] = _PLAYERS
    player = players.of(wanted.seed)
    played = player.play(wanted.seed, wanted.steps, wanted.mended)
    if played.rule is None or not wanted.shrinks:
        return Result(played)
    shrinking = Shrinking(partial(player.play, wanted.seed), played, wanted.steps, wanted.mended)
    shrinking()
    return Result(played, shrinking.played, shrinking.steps, sorted(shrinking.mended))


class Players:
    """One for each of the kinds of worlds. To be made before the clock is installed."""

    def __init__(self, virtual: clock.Clock, urls: dict[str, str]) -> None:
        given = virtual, urls[server.CHECKOUT], urls[server.APPLICATION]
        self._serial, self._interleaved = Player(*given), InterleavedPlayer(*given)
        self._virtual, self._urls = virtual, urls

    def of(self, seed: int) -> Player:
        if is_upgraded(seed):
            return self._upgraded
        return self._serial if seed % ONE_IN else self._interleaved

    @cached_property
    def _upgraded(self) -> Player:
        """Made when it is needed first: it imports a whole release."""
        urls = self._urls
        before = urls[server.CHECKOUT_BEFORE], urls[server.APPLICATION_BEFORE]
        return UpgradedPlayer(self._virtual, *before, Path(urls[server.RELEASE_BEFORE]))


def is_upgraded(seed: int) -> bool:
    """In this world the release before works at first."""
    return seed % ONE_UPGRADED_IN == UPGRADED


_PLAYERS: list[Players] = []
"""The one of this process."""


def _begin(urls: Any) -> None:
    given, virtual = urls.get(), clock.Clock()
    be_quiet()
    _PLAYERS.append(Players(virtual, given))
    clock.install(virtual)
