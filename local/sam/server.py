"""One of the servers of `sam local`, as a child process of the stack."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import processes
from local.waiting import until

START_SECONDS = 180.0
_STOP_SECONDS = 20.0


class SamServerError(RuntimeError):
    """The server could not be started; the message names its log."""


class SamServer(processes.Child):
    """Serves on a fixed port of 127.0.0.1, and writes its output to a file."""

    def __init__(self, command: Sequence[str], port: int, log: Path, environment: Mapping[str, str]) -> None:
        self._command = command
        self._port = port
        self._log = log
        self._environment = environment

    def start(self) -> None:
        """Return once it listens. Raises SamServerError."""
        with self._log.open("ab") as output:
            process = processes.spawn(self._command, stdout=output, stderr=output, env=self._environment)
        self.process = process
        until(lambda: not processes.is_free(self._port) or process.poll() is not None, START_SECONDS, 0.1)
        if process.poll() is not None or processes.is_free(self._port):
            self.stop()
            raise SamServerError(f"sam local did not start; its log is {self._log}")

    def stop(self) -> None:
        """End it. It ends its containers one after the other, if there is time for that."""
        # Only one interrupt: a second one would cut that short.
        self.end(signal.SIGINT, patience=_STOP_SECONDS)
