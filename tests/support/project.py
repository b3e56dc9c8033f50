"""A clone of the project, and the stack that a test starts in it as a program."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import requests

from local import http_client
from local.processes import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
PARTS = ("functions", "infrastructure", "layers", "local", "stripe_simulator", "template.yaml")
START_SECONDS = {"run": 100.0, "apache": 180.0, "sam": 240.0}
"""By the command, or by its Kafka if that takes longer."""
STOP_SECONDS = 90.0
HTTP_SECONDS = 40.0


class Project:
    """This code in a folder that is made for it, with ports and data of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """`settings` are added to the environment."""
        self.folder = folder
        folder.mkdir()
        for part in PARTS:
            _copy(ROOT / part, folder / part)
        usual = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self.environment = {**usual, "PORT": str(free_port()), "STRIPE_PORT": str(free_port()), **settings}

    def command(
        self, *arguments: str, given: str = "", check: bool = True, **more: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run `python -m local` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "local", *arguments],
            cwd=self.folder,
            env={**self.environment, **more},
            input=given,
            capture_output=True,
            text=True,
            timeout=100,
            check=check,
        )

    def launch(self, command: str = "run", **streams: Any) -> "subprocess.Popen[bytes]":
        """Start the stack; its output is appended to the log, unless `streams` say otherwise."""
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "local", command],
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
                **{"stdout": log, "stderr": log, **streams},
            )

    def wait_for(self, process: "subprocess.Popen[bytes]", command: str = "run") -> None:
        """Return once the stack of this process is ready. Raises AssertionError if it ends before."""
        kinds = {command, self.environment.get("KAFKA", "")} & START_SECONDS.keys()
        seconds = max(START_SECONDS[kind] for kind in kinds)
        eventually(lambda: self.is_ready(process) or process.poll() is not None, seconds, lambda: self.log)
        assert process.poll() is None, f"the stack did not start:\n{self.log}"

    @contextmanager
    def running(self) -> Iterator["subprocess.Popen[bytes]"]:
        """The stack's process inside the block, ready at its beginning."""
        process = self.launch()
        try:
            self.wait_for(process)
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)

    def is_ready(self, process: "subprocess.Popen[bytes]") -> bool:
        """A killed predecessor leaves its file, with another process id."""
        written = self.written  # Read once, since the starting stack removes the old one.
        return written is not None and written["pid"] == process.pid

    @property
    def stack_file(self) -> Path:
        return self.folder / ".local" / "stack.json"

    @property
    def written(self) -> dict[str, Any] | None:
        """The content of `stack.json`."""
        try:
            written: dict[str, Any] = json.loads(self.stack_file.read_text())
        except FileNotFoundError:
            return None
        return written

    @property
    def found(self) -> dict[str, Any]:
        """The content of `stack.json`, which must be there."""
        written = self.written
        assert written is not None
        return written

    @property
    def log_path(self) -> Path:
        return self.folder / "output.txt"

    @property
    def log(self) -> str:
        """All output since the first start."""
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> requests.Response:
        """The answer to the demo user."""
        bearer = {"Authorization": f"Bearer {self.found['demo_token']}"}
        return http_client.send("GET", self.found["api_url"] + path, headers=bearer, seconds=HTTP_SECONDS)


def children(process: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """All processes that it has started, directly or not."""
    return list(psutil.Process(process.pid).children(recursive=True))


def child(process: "subprocess.Popen[bytes]", *words: str) -> psutil.Process:
    """The one that it has started itself with these words in its command line."""
    for candidate in psutil.Process(process.pid).children():
        if all(any(word in part for part in candidate.cmdline()) for word in words):
            return candidate
    raise LookupError(words)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; a zombie has."""
    return [one for one in processes if _is_alive(one)]


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # It ended between the two questions.
        return False


def _copy(source: Path, target: Path) -> None:
    """A copy instead of a link, since `sam build` looks for the code next to the template's real file."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)
