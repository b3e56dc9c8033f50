"""Plays worlds with the code of this copy of the project until one of them breaks a rule: what a Workspace
runs in a process of its own."""

import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from simulation import clock, server
from simulation.play import STEPS, Played, Player
from simulation.quiet import be_quiet
from simulation.running import Players
from simulation.shrinking import Shrinking

PREFIX = "found: "


@dataclass(frozen=True, slots=True)
class Found:
    """The first world that broke a rule, the how many-th it was, and what is left of its steps. `seconds` are
    those until it was found, and those of leaving steps out."""

    seed: int
    worlds: int
    rule: str
    steps: int
    found_seconds: float
    shrunk_seconds: float


def play(urls: dict[str, str] | None, seeds: Sequence[int], *, shrinks: bool) -> None:
    """Prints a line for `found`, if a rule is broken. Without `urls` in databases that this code migrates."""
    be_quiet()
    with ExitStack() as stack:
        if urls is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            [urls] = stack.enter_context(server.serving(folder, 1))
        virtual = clock.Clock()
        players = Players(virtual, urls)
        clock.install(virtual)
        found = _first(players, seeds, shrinks=shrinks)
    print(PREFIX + json.dumps(None if found is None else asdict(found)))


def found(output: str) -> Found | None:
    """What `play` printed. Raises LookupError if it came to no end."""
    for line in output.splitlines():
        if line.startswith(PREFIX):
            content = json.loads(line.removeprefix(PREFIX))
            return None if content is None else Found(**content)
    raise LookupError(output[-4000:])


def _first(players: Players, seeds: Sequence[int], *, shrinks: bool) -> Found | None:
    began = time.monotonic()
    for number, seed in enumerate(seeds, 1):
        played = players.of(seed).play(seed)
        if played.rule is not None:
            return _shrunk(players.of(seed), played, number, began, shrinks=shrinks)
    return None


def _shrunk(player: Player, played: Played, number: int, began: float, *, shrinks: bool) -> Found:
    assert played.rule is not None
    found_at = time.monotonic()
    steps = range(1, STEPS + 1)
    shrinking = Shrinking(partial(player.play, played.seed), played, steps, ())
    if shrinks:
        shrinking()
    return Found(
        seed=played.seed,
        worlds=number,
        rule=played.text.strip().splitlines()[-1] if played.rule.startswith("raised") else played.text,
        steps=len(shrinking.steps),
        found_seconds=found_at - began,
        shrunk_seconds=time.monotonic() - found_at,
    )
