"""The command line: `python -m tests.mutants --help`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant, unusable
from tests.mutants.trial import Verdict, Workspace, first_failure, try_each

ROOT = Path(__file__).parents[2]
AT_ONCE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Make each mistake of a list in a copy of the project, and run the test that must fail.",
        epilog="Exit status: 0 if every mistake was caught, 1 if one was not or a test fails without any, 2"
        " if the list does not go with the code.",
    )
    what = "only mistakes whose file, text, consequence or test has one of these words: outbox"
    parser.add_argument("words", nargs="*", metavar="word", help=what)
    words: list[str] = parser.parse_args(arguments).words
    if unknown := [word for word in words if not any(_is_about(mutant, word) for mutant in MUTANTS)]:
        files = ", ".join(sorted({mutant.file for mutant in MUTANTS}))
        parser.error(f"no mistake is about {', '.join(unknown)}; there are mistakes in {files}")
    wanted = [mutant for mutant in MUTANTS if not words or any(_is_about(mutant, word) for word in words)]
    if complaints := unusable(wanted, ROOT):
        print(*complaints, sep="\n", file=sys.stderr)
        return 2
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ExitStack() as stack:
        workspaces = [
            stack.enter_context(closing(Workspace(ROOT, Path(folder, str(number)))))
            for number in range(AT_ONCE)
        ]
        tests = sorted({mutant.caught_by for mutant in wanted})
        print(f"{len(wanted)} mutants, {len(tests)} tests; without a mutant they must pass", flush=True)
        if (output := first_failure(tests, workspaces)) is not None:
            print(output, "A test fails without any mutant.", sep="\n", file=sys.stderr)
            return 1
        verdicts = try_each(wanted, workspaces, _Progress(len(wanted)))
    survivors = [verdict for verdict in verdicts if not verdict.is_caught]
    for verdict in survivors:
        print(f"\n── survived: {_about(verdict.mutant)}", f"{verdict.mutant.text!r}", sep="\n")
        print(f"→ {verdict.mutant.instead!r}", verdict.says, sep="\n")
    caught = len(verdicts) - len(survivors)
    print(f"\n{caught} of {len(verdicts)} mutants caught in {time.monotonic() - began:.0f} s")
    return 1 if survivors else 0


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
            *([f"              by {verdict.says}"] if verdict.is_caught else []),
            sep="\n",
            flush=True,
        )


def _about(mutant: Mutant) -> str:
    return f"{mutant.file}: {mutant.breaks}"


def _is_about(mutant: Mutant, word: str) -> bool:
    return word in f"{mutant.file} {mutant.text} {mutant.breaks} {mutant.caught_by}"


if __name__ == "__main__":
    sys.exit(main())
