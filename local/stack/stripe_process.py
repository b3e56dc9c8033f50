"""The Stripe simulator as a child process of the stack."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import requests

from local import http_client, processes
from local.gateway.server import claim
from local.stack.settings import write_privately
from local.waiting import until

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 20.0
_PORT_SECONDS = 2.0


class StripeSimulatorError(RuntimeError):
    """The simulator could not be started; the log has its own messages."""


class _Taken(StripeSimulatorError):
    """Another program listens on the port."""


class StripeSimulator(processes.Child):
    """Serves Stripe's API on a fixed port and delivers webhooks to our endpoint."""

    def __init__(
        self,
        port: int,
        data: Path,
        endpoint_url: str,
        endpoint_secret: str,
        log: Callable[[str], None],
        *,
        names: Sequence[str] = (),
    ) -> None:
        """`names` are further names of this machine, which may be used in requests and for webhooks."""
        self._port = port
        self._data = data
        self._endpoint_url = endpoint_url
        self._endpoint_secret = endpoint_secret
        self._log = log
        self._names = ",".join(names)

    def start(self) -> None:
        """Return once it answers. Raises StripeSimulatorError."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._end_leftover()
        if not until(self._has_port, _PORT_SECONDS, 0.05):
            self._claim().close()  # Raises what is wrong.
        options = [
            *("--port", str(self._port), "--data", str(self._data), "--endpoint-url", self._endpoint_url),
            *("--allowed-hosts", self._names, "--allowed-endpoints", self._names),
        ]
        self.process = processes.spawn(
            [sys.executable, "-m", "stripe_simulator", *options],
            cwd=_ROOT,
            env={**os.environ, "STRIPE_SIMULATOR_ENDPOINT_SECRET": self._endpoint_secret},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        started = {"pid": self.process.pid, "created": psutil.Process(self.process.pid).create_time()}
        write_privately(self._record, json.dumps(started))
        process = self.process
        until(lambda: self._is_healthy() or process.poll() is not None, _START_SECONDS)
        if process.poll() is not None or not self._is_healthy():
            self.stop()
            raise StripeSimulatorError(f"the Stripe simulator did not start on port {self._port}")

    def stop(self) -> None:
        """End it. What it has not delivered yet, it delivers after the next start."""
        if self.process is not None:
            self.end(signal.SIGTERM)
            self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self._data / "process.json"

    def _end_leftover(self) -> None:
        """End the simulator of a killed predecessor, if the kernel has not done so."""
        try:
            record = json.loads(self._record.read_text())
            leftover = psutil.Process(record["pid"])
            if leftover.create_time() == record["created"]:
                leftover.kill()
                leftover.wait(5)
        except (FileNotFoundError, ValueError, psutil.Error):
            pass

    def _has_port(self) -> bool:
        """Return True if the port is free. A predecessor that was just killed may still hold it."""
        try:
            self._claim().close()
        except _Taken:
            return False
        return True

    def _claim(self) -> socket.socket:
        try:
            return claim(self._port)
        except PermissionError as error:
            raise StripeSimulatorError(
                f"port {self._port} needs a permission that this user lacks:"
                " choose one from 1024 on with STRIPE_PORT="
            ) from error
        except OSError as error:
            raise _Taken(
                f"port {self._port} is taken by another program: choose another one with STRIPE_PORT="
            ) from error

    def _is_healthy(self) -> bool:
        try:
            health = http_client.send("GET", f"http://127.0.0.1:{self._port}/_simulator/health", seconds=1)
        except requests.RequestException:
            return False
        return health.ok

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout as lines:
            for line in lines:
                self._log(line.decode(errors="replace").rstrip("\n"))
