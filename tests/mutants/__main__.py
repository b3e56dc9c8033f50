"""The command line: `python -m tests.mutants --help`."""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

from simulation import server
from simulation.__main__ import LEFT_OUT
from simulation.upgraded import release_before
from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import MOST_WORLDS, Mutant, Worlds, unusable
from tests.mutants.trial import Layers, Verdict, Workspace, first_failure, try_each
from tests.mutants.worlds import Found

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
SAY_EVERY_SECONDS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Make each mistake of a list in a copy of the project, run the test that must fail, and"
        " play worlds until a rule breaks.",
        epilog="Exit status: 0 if every mistake was caught, 1 if one was not or a test fails without any, 2"
        " if the list does not go with the code.",
    )
    what = "only mistakes whose file, text, consequence or test has one of these words: outbox"
    parser.add_argument("words", nargs="*", metavar="word", help=what)
    parser.add_argument(
        "--only", choices=("tests", "worlds"), help="what tries to catch them; both by default"
    )
    parser.add_argument(
        "--seeds", type=int, default=MOST_WORLDS, help="the most worlds; %(default)s by default"
    )
    given = parser.parse_args(arguments)
    words: list[str] = given.words
    layers = Layers(given.only != "worlds", 0 if given.only == "tests" else given.seeds)
    if unknown := [word for word in words if not any(_is_about(mutant, word) for mutant in MUTANTS)]:
        files = ", ".join(sorted({mutant.file for mutant in MUTANTS}))
        parser.error(f"no mistake is about {', '.join(unknown)}; there are mistakes in {files}")
    wanted = [mutant for mutant in MUTANTS if not words or any(_is_about(mutant, word) for word in words)]
    if not layers.tests:
        wanted = [mutant for mutant in wanted if mutant.worlds is not None]
    has_before = layers.worlds > 0 and release_before.is_known()
    if layers.worlds and not has_before:
        print(LEFT_OUT)
        wanted = [mutant for mutant in wanted if mutant.worlds is not Worlds.UPGRADED]
    has_before = has_before and any(mutant.worlds is Worlds.UPGRADED for mutant in wanted)
    if complaints := unusable(wanted, ROOT):
        print(*complaints, sep="\n", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ExitStack() as stack:
        databases = stack.enter_context(_databases(Path(folder, "databases"), layers, has_before=has_before))
        workspaces = [
            stack.enter_context(closing(Workspace(ROOT, Path(folder, str(number)), urls)))
            for number, urls in enumerate(databases)
        ]
        tests = sorted({one.caught_by for one in wanted if one.caught_by is not None and layers.tests})
        print(f"{len(wanted)} mutants, {len(tests)} tests; without a mutant they must pass", flush=True)
        with _still("without a mutant"):
            output = first_failure(tests, workspaces)
        if output is not None:
            print(output, "A test fails without any mutant.", sep="\n", file=sys.stderr)
            return 1
        verdicts = try_each(wanted, workspaces, _Progress(len(wanted)), layers)
    survivors = [verdict for verdict in verdicts if not verdict.is_caught]
    for verdict in survivors:
        print(f"\n── survived: {_about(verdict.mutant)}")
        for change in verdict.mutant.changes:
            print(f"{change.text!r}", f"→ {change.instead!r}", sep="\n")
        print(verdict.says)
    caught = len(verdicts) - len(survivors)
    print(f"\n{caught} of {len(verdicts)} mutants caught in {time.monotonic() - began:.0f} s")
    if found := [verdict.found for verdict in verdicts if verdict.found is not None]:
        print(_in_worlds(found))
    return 1 if survivors else 0


def _in_worlds(found: Sequence[Found]) -> str:
    soon = sum(one.worlds <= 10 for one in found)
    steps, seconds = median(one.steps for one in found), median(one.shrunk_seconds for one in found)
    return (
        f"the simulation found {len(found)}: {soon} within 10 worlds, and all within"
        f" {max(one.worlds for one in found)}; shrunk to {steps:.0f} steps in {seconds:.0f} s (medians)"
    )


@contextmanager
def _databases(folder: Path, layers: Layers, *, has_before: bool) -> Iterator[list[dict[str, str] | None]]:
    """Of each workspace the URLs of the databases in which it plays worlds."""
    if not layers.worlds:
        yield [None] * AT_ONCE
        return
    with server.serving(folder, AT_ONCE, has_before=has_before) as urls:
        yield [*urls]


@contextmanager
def _still(what: str) -> Iterator[None]:
    """Say every few seconds for how long it has been going on."""
    ended, began = threading.Event(), time.monotonic()

    def say() -> None:
        while not ended.wait(SAY_EVERY_SECONDS):
            print(f"        {what}: {time.monotonic() - began:.0f} s", flush=True)

    saying = threading.Thread(target=say, daemon=True)
    saying.start()
    try:
        yield
    finally:
        ended.set()
        saying.join()


class _Progress:
    """A line for each mutant that is done."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0

    def __call__(self, verdict: Verdict) -> None:
        self._done += 1
        result = "caught  " if verdict.is_caught else "SURVIVED"
        print(
            f"{self._done:3}/{self._total} {result} {verdict.seconds:5.1f} s  {_about(verdict.mutant)}",
            *([f"              by {verdict.says}"] if verdict.is_caught and verdict.says else []),
            *([f"              {_world(verdict.found)}"] if verdict.found is not None else []),
            sep="\n",
            flush=True,
        )


def _world(found: Found) -> str:
    return (
        f"in seed {found.seed}, world {found.worlds}, after {found.found_seconds:.0f} s: {found.rule:.100}"
        f" ({found.steps} steps, shrunk in {found.shrunk_seconds:.0f} s)"
    )


def _about(mutant: Mutant) -> str:
    return f"{mutant.file}: {mutant.breaks}"


def _is_about(mutant: Mutant, word: str) -> bool:
    changes = " ".join(f"{one.file} {one.text}" for one in mutant.changes)
    return word in f"{changes} {mutant.breaks} {mutant.caught_by}"


if __name__ == "__main__":
    sys.exit(main())
