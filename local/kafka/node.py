"""One node of Apache Kafka: broker and controller in one process (KRaft: no ZooKeeper)."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil  # type: ignore[import-untyped]
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local import processes
from local.kafka import jars as kafka_jars
from local.kafka.jars import ApacheKafkaError

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_ASK_SECONDS = 0.5
_PAUSE_SECONDS = 0.05

T = TypeVar("T")


class Node:
    """Its folder and its ports stay the same through restarts."""

    def __init__(self, data: Path, jars: Path, address: str, properties: Mapping[str, str]) -> None:
        """`data` is its own folder; `properties` are all that it is told."""
        self.address = address
        """`host:port`."""
        self.process: subprocess.Popen[bytes] | None = None
        self._data = data
        self._jars = jars
        self._properties = dict(properties)

    @property
    def log(self) -> Path:
        """What it printed, since the folder was made."""
        return self._data / "kafka.log"

    def format(self, cluster_id: str) -> None:
        """Give its storage an identity, which it keeps."""
        self._data.mkdir(exist_ok=True)
        # Its paths are relative: the format has its own idea of special characters.
        text = "".join(f"{name}={value}\n" for name, value in self._properties.items())
        (self._data / "server.properties").write_text(text)
        if (self._data / "data" / "meta.properties").exists():
            return
        options = (f"--cluster-id={cluster_id}", "--ignore-formatted", "--config=server.properties")
        if self._spawn("kafka.tools.StorageTool", "format", *options).wait():
            raise ApacheKafkaError(f"its storage cannot be formatted:\n{kafka_jars.last_lines(self.log)}")

    def start(self) -> None:
        """Return when it answers, which it does once most nodes are there. Raises ApacheKafkaError."""
        self._end_leftovers()
        # Otherwise whoever is there might answer in our place while our own process still starts.
        if not processes.is_free(port := int(self.address.rpartition(":")[2])):
            raise ApacheKafkaError(f"port {port} is taken by another program")
        self.process = self._spawn("kafka.Kafka", "server.properties")
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 2})
        try:
            self.until(lambda: client.list_topics(timeout=_ASK_SECONDS), "no answer")
        except BaseException:
            self.kill()
            raise

    def until(self, ask: Callable[[], T | None], problem: str) -> T:
        """The first thing that is found, or ApacheKafkaError with the problem: in time, and while it runs."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                lines = kafka_jars.last_lines(self.log)
                raise ApacheKafkaError(f"it ended while starting ({self.log}):\n{lines}")
            with suppress(KafkaException):
                if (found := ask()) is not None:
                    return found
            time.sleep(_PAUSE_SECONDS)
        raise ApacheKafkaError(f"it does not serve ({self.log}): {problem}")

    def stop(self) -> None:
        """End in order, which keeps everything."""
        if self.process is not None:
            processes.end(self.process, signal.SIGTERM, patience=_STOP_SECONDS)
            self.process = None

    def kill(self) -> None:
        """End as a crash would (SIGKILL), which keeps everything, too."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            command = kafka_jars.command(self._jars, *arguments)
            return processes.spawn(command, cwd=self._data, stdout=log, stderr=log)

    def _end_leftovers(self) -> None:
        """Of a parent that was killed where the system does not tell its children."""
        leftovers = [process for process in psutil.process_iter() if self._serves_here(process)]
        for process in leftovers:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(leftovers, _STOP_SECONDS)

    def _serves_here(self, process: psutil.Process) -> bool:
        try:
            return "kafka.Kafka" in process.cmdline() and Path(process.cwd()) == self._data.resolve()
        except (psutil.Error, OSError):
            return False
