"""One of the servers of `sam local`, as a child process of the stack."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import processes

START_SECONDS = 180.0
_STOP_SECONDS = 20.0


class SamServerError(RuntimeError):
    """It could not be started; says where its words are."""


class SamServer:
    """Serves on a fixed port of 127.0.0.1, with its output in a file of its own."""

    def __init__(self, command: Sequence[str], port: int, log: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._port = port
        self._log = log
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it listens. Raises SamServerError."""
        with self._log.open("ab") as output:
            self.process = processes.spawn(self._command, stdout=output, stderr=output, env=self._environment)
        deadline = time.monotonic() + START_SECONDS
        while processes.is_free(self._port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SamServerError(f"sam local did not start; its log is {self._log}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, and its containers if it can do that in time: it ends one after the other."""
        if self.process is not None:
            # One interrupt: a second would end it in the middle of that.
            processes.end(self.process, signal.SIGINT, patience=_STOP_SECONDS)
            self.process = None
