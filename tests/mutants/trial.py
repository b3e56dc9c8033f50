"""Try mutants in copies of the project, several at a time, each by a run of pytest of its own."""

import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import worlds
from tests.mutants.mutant import MOST_WORLDS, Mutant, Worlds, mutated

SECONDS_A_TEST = 60
SECONDS_A_TRIAL = 180
SECONDS_A_WORLD = 4
PASSED, FAILED = 0, 1
"""Statuses of pytest: https://docs.pytest.org/en/stable/reference/exit-codes.html"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`is_caught` by all that must catch it."""

    mutant: Mutant
    is_caught: bool
    seconds: float
    says: str
    """The failure of the test, or what was written instead of one; empty if there is no test."""
    found: worlds.Found | None = None
    """What the simulation broke in."""


@dataclass(frozen=True, slots=True)
class Layers:
    """What tries to catch them: the tests, and so many worlds at most."""

    tests: bool = True
    worlds: int = MOST_WORLDS


class Workspace:
    """A copy of the project, in which one test run at a time is made; to be closed."""

    def __init__(self, root: Path, folder: Path, databases: dict[str, str] | None = None) -> None:
        """`databases` are the URLs of migrated ones, in which worlds are played."""
        self._folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            check=True,
            text=True,
        )
        for name in filter(None, listed.stdout.split("\0")):
            if (root / name).is_file():  # What is deleted and not committed yet is listed, too.
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(root / name, target)

        self._databases = databases
        self._output = folder.with_name(f"{folder.name}.txt")
        self._python = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("preloaded.py"))],
            cwd=folder,
            # So wide that pytest's summary has the reason, too; and sets in one order, as a world needs them.
            env={**os.environ, "COLUMNS": "250", "PYTHONHASHSEED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def test(self, node_ids: Sequence[str]) -> tuple[int, str]:
        """pytest's status for these tests, up to the first failure, and what it wrote."""
        options = ["-q", "-x", "--tb=short", "--show-capture=no", "--color=no", "-p", "no:cacheprovider"]
        seconds = SECONDS_A_TRIAL * (1 + len(node_ids) // 20)
        return self._run(seconds, arguments=[*options, f"--timeout={SECONDS_A_TEST}", *node_ids])

    def simulate(self, mutant: Mutant, seeds: Sequence[int], *, shrinks: bool = True) -> worlds.Found | None:
        """Play these worlds until one of them breaks a rule. Raises LookupError, saying why, if they cannot
        be played."""
        # A world that migrates itself has databases with the schema of before.
        is_migrated = (
            any(one.path.suffix == ".sql" for one in mutant.changes) and mutant.worlds is not Worlds.UPGRADED
        )
        urls = None if is_migrated else self._databases
        seconds = SECONDS_A_WORLD * (60 + len(seeds))
        _, output = self._run(seconds, seeds=list(seeds), urls=urls, shrinks=shrinks)
        return worlds.found(output)

    def _run(self, seconds: float, **asked: object) -> tuple[int, str]:
        request = {**asked, "output": str(self._output), "seconds": seconds}
        assert self._python.stdin is not None
        assert self._python.stdout is not None
        self._python.stdin.write(json.dumps(request) + "\n")
        self._python.stdin.flush()
        status = int(self._python.stdout.readline())
        return status, self._output.read_text(errors="replace")

    def close(self) -> None:
        self._python.communicate()

    @contextmanager
    def mutated(self, mutant: Mutant) -> Iterator[None]:
        """Meanwhile the copy has the mistake."""
        files = mutated(mutant, self._folder)
        before = {path: (self._folder / path).read_text() for path in files}
        try:
            self._write(files)
            yield
        finally:
            self._write(before)

    def _write(self, files: Mapping[Path, str]) -> None:
        for path, content in files.items():
            _replace(self._folder / path, content)


def try_each(
    mutants: Sequence[Mutant],
    workspaces: Sequence[Workspace],
    report: Callable[[Verdict], None],
    layers: Layers = Layers(),
) -> list[Verdict]:
    """Each mutant in whichever workspace is free; `report` is called as each is done, by one at a time."""
    reporting = threading.Lock()
    free: queue.SimpleQueue[Workspace] = queue.SimpleQueue()
    for workspace in workspaces:
        free.put(workspace)

    def attempt(mutant: Mutant) -> Verdict:
        workspace = free.get()
        began = time.monotonic()
        try:
            with workspace.mutated(mutant):
                is_caught, says = _tested(mutant, workspace) if layers.tests else (True, "")
                is_found, found, why = _simulated(mutant, workspace, layers.worlds)
        finally:
            free.put(workspace)
        seconds = time.monotonic() - began
        verdict = Verdict(mutant, is_caught and is_found, seconds, says + why, found)
        with reporting:
            report(verdict)
        return verdict

    with ThreadPoolExecutor(len(workspaces)) as pool:
        return list(pool.map(attempt, mutants))


def _tested(mutant: Mutant, workspace: Workspace) -> tuple[bool, str]:
    if mutant.caught_by is None:
        return True, ""
    status, output = workspace.test([mutant.caught_by])
    failure = _failure(mutant.caught_by, output)
    return status == FAILED and failure is not None, failure or output


def _simulated(mutant: Mutant, workspace: Workspace, most: int) -> tuple[bool, worlds.Found | None, str]:
    """Whether a world shows it, if one must; and why not."""
    if mutant.worlds is None or not most:
        return True, None, ""
    try:
        found = workspace.simulate(mutant, mutant.worlds.seeds[:most])
    except LookupError as error:
        return False, None, str(error)
    return found is not None, found, "" if found else f"no rule was broken in {most} worlds"


def first_failure(node_ids: Sequence[str], workspaces: Sequence[Workspace]) -> str | None:
    """What pytest wrote, if one of these tests fails without any mutant."""
    files = sorted({node_id.partition("::")[0] for node_id in node_ids})
    shares: list[list[str]] = [[] for _ in workspaces]
    for node_id in node_ids:
        shares[files.index(node_id.partition("::")[0]) % len(shares)].append(node_id)
    with ThreadPoolExecutor(len(workspaces)) as pool:
        jobs = zip(workspaces, shares, strict=True)
        results = pool.map(lambda job: job[0].test(job[1]) if job[1] else (PASSED, ""), jobs)
        return next((output for status, output in results if status != PASSED), None)


def _replace(file: Path, content: str) -> None:
    file.write_text(content)
    # Python knows what it compiled by the source's size and second, which may both stay the same.
    for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        compiled.unlink()


def _failure(node_id: str, output: str) -> str | None:
    """Of that test itself: what failed before or after it is no catch."""
    found = re.search(rf"^FAILED {re.escape(node_id)}(?:\[.*\])?(?: - (.*))?$", output, re.MULTILINE)
    return None if found is None else found[1] or "failed"
