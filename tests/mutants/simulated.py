"""Which mistakes of the list the worlds of `make simulate` find: `python -m tests.mutants.simulated outbox`.

Each is made in a copy of the code, and worlds are played until one of them breaks a rule. Locks are no matter
of worlds with one connection.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
PLAYED = ("layers/common/checkout", "local", "simulation")
FOUND = re.compile(r"^── seed (\d+), at step \d+: (.*)$", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.simulated", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="word", help="only mistakes about one of these")
    parser.add_argument("--seeds", type=int, default=500, help="the most worlds for each; 500 by default")
    given = parser.parse_args(arguments)
    wanted = [mutant for mutant in MUTANTS if not given.words or _is_about(mutant, given.words)]
    found = 0
    for mutant in wanted:
        began = time.monotonic()
        verdict = _tried(mutant, given.seeds)
        found += verdict is not None
        seconds = f"{time.monotonic() - began:4.0f} s"
        print(f"{verdict or 'not found':60.60}  {seconds}  {mutant.breaks} ({mutant.file})", flush=True)
    print(f"{found} of {len(wanted)} found")
    return 0 if found == len(wanted) else 1


def _tried(mutant: Mutant, seeds: int) -> str | None:
    """The first seed that finds it, and the rule; None if none does."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        for name in PLAYED:
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__"))
        file = Path(folder, mutant.path)
        file.write_text(mutant.applied(file.read_text()))
        options = ["--seeds", str(seeds), "--processes", "1", "--until-broken", "--as-they-are"]
        done = subprocess.run(
            [sys.executable, "-m", "simulation", *options],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    broken = FOUND.search(done.stdout)
    assert broken is not None or done.returncode == 0, done.stdout + done.stderr
    return None if broken is None else f"seed {broken[1]:>3}: {broken[2]}"


def _is_about(mutant: Mutant, words: Sequence[str]) -> bool:
    return any(word in text for word in words for text in (mutant.file, mutant.text, mutant.breaks))


if __name__ == "__main__":
    raise SystemExit(main())
