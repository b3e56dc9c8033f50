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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.mutant import Mutant

SECONDS_A_TEST = 60
SECONDS_A_TRIAL = 180
PASSED, FAILED = 0, 1
"""Statuses of pytest: https://docs.pytest.org/en/stable/reference/exit-codes.html"""


@dataclass(frozen=True, slots=True)
class Verdict:
    mutant: Mutant
    is_caught: bool
    seconds: float
    says: str
    """The failure of the test, or what pytest wrote if there is none."""


class Workspace:
    """A copy of the project, in which one test run at a time is made; to be closed."""

    def __init__(self, root: Path, folder: Path) -> None:
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

        self._output = folder.with_name(f"{folder.name}.txt")
        self._python = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("preloaded.py"))],
            cwd=folder,
            env={**os.environ, "COLUMNS": "250"},  # So wide that pytest's summary has the reason, too.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def test(self, node_ids: Sequence[str]) -> tuple[int, str]:
        """pytest's status for these tests, up to the first failure, and what it wrote."""
        options = ["-q", "-x", "--tb=short", "--show-capture=no", "--color=no", "-p", "no:cacheprovider"]
        request = {
            "arguments": [*options, f"--timeout={SECONDS_A_TEST}", *node_ids],
            "output": str(self._output),
            "seconds": SECONDS_A_TRIAL * (1 + len(node_ids) // 20),
        }
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
        file = self._folder / mutant.path
        content = file.read_text()
        try:
            _replace(file, mutant.applied(content))
            yield
        finally:
            _replace(file, content)


def try_each(
    mutants: Sequence[Mutant], workspaces: Sequence[Workspace], report: Callable[[Verdict], None]
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
                status, output = workspace.test([mutant.caught_by])
        finally:
            free.put(workspace)
        failure = _failure(mutant.caught_by, output)
        is_caught = status == FAILED and failure is not None
        verdict = Verdict(mutant, is_caught, time.monotonic() - began, failure or output)
        with reporting:
            report(verdict)
        return verdict

    with ThreadPoolExecutor(len(workspaces)) as pool:
        return list(pool.map(attempt, mutants))


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
