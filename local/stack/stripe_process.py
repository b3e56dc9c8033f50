"""The Stripe simulator as a child process of the stack."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from local import processes
from local.gateway.server import claim
from local.stack.settings import write_privately

_ROOT = Path(__file__).parents[2]
_START_SECONDS = 20.0
_PORT_SECONDS = 2.0


class StripeSimulatorError(RuntimeError):
    """The simulator could not be started; its own words precede in the log."""


class StripeSimulator:
    """Serves Stripe's API on a fixed port and delivers webhooks to one endpoint of ours."""

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
        """`names` are further ones of this machine: it may be asked under them, and send webhooks to them."""
        self._port = port
        self._data = data
        self._endpoint_url = endpoint_url
        self._endpoint_secret = endpoint_secret
        self._log = log
        self._names = ",".join(names)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it answers. Raises StripeSimulatorError."""
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._end_leftover()
        self._wait_for_port()
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
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_healthy():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StripeSimulatorError(f"the Stripe simulator did not start on port {self._port}")
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; what it has not delivered yet, it delivers after the next start."""
        if self.process is not None:
            processes.end(self.process, signal.SIGTERM)
            self.process = None
            self._record.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self._data / "process.json"

    def _end_leftover(self) -> None:
        """End the simulator of a killed predecessor, where the kernel has not done so."""
        try:
            record = json.loads(self._record.read_text())
            leftover = psutil.Process(record["pid"])
            if leftover.create_time() == record["created"]:
                leftover.kill()
                leftover.wait(5)
        except (FileNotFoundError, ValueError, psutil.Error):
            pass

    def _wait_for_port(self) -> None:
        """A predecessor that was killed a moment ago may still hold it."""
        deadline = time.monotonic() + _PORT_SECONDS
        while True:
            try:
                return claim(self._port).close()
            except PermissionError as error:
                raise StripeSimulatorError(
                    f"port {self._port} needs a permission that this user has not:"
                    " choose one from 1024 on with STRIPE_PORT="
                ) from error
            except OSError as error:
                if time.monotonic() > deadline:
                    raise StripeSimulatorError(
                        f"port {self._port} is taken by another program: choose another one with STRIPE_PORT="
                    ) from error
            time.sleep(0.05)

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}/_simulator/health", timeout=1
            ) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout as lines:
            for line in lines:
                self._log(line.decode(errors="replace").rstrip("\n"))
