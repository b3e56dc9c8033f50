"""One node of Apache Kafka: broker and controller in one process (KRaft: no ZooKeeper)."""

import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from local import processes
from local.kafka import jars
from local.kafka.jars import ApacheKafkaError
from local.waiting import until

_START_SECONDS = 60.0
_PORT_SECONDS = 5.0
_STOP_SECONDS = 10.0
_ASK_SECONDS = 0.5
_PAUSE_SECONDS = 0.05


class Node(processes.Child):
    """A node, whose folder and ports stay the same after a restart."""

    def __init__(self, data: Path, fetched: Path, address: str, properties: Mapping[str, str]) -> None:
        """`data` is its own folder, `fetched` that of the jars; `properties` are all its settings."""
        self.address = address
        """`host:port`."""
        self._data = data
        self._fetched = fetched
        self._properties = dict(properties)

    @property
    def log(self) -> Path:
        """All its output since the folder was made."""
        return self._data / "kafka.log"

    def format(self, cluster_id: str) -> None:
        """Format its storage for the cluster, unless it is formatted."""
        self._data.mkdir(exist_ok=True)
        # Its paths are relative, since the format has special characters of its own.
        text = "".join(f"{name}={value}\n" for name, value in self._properties.items())
        (self._data / "server.properties").write_text(text)
        if (self._data / "data" / "meta.properties").exists():
            return
        options = (f"--cluster-id={cluster_id}", "--ignore-formatted", "--config=server.properties")
        if self._spawn("kafka.tools.StorageTool", "format", *options).wait():
            raise ApacheKafkaError(f"its storage cannot be formatted:\n{processes.last_lines(self.log)}")

    def start(self) -> None:
        """Return once it answers, which needs most of the nodes. Raises ApacheKafkaError."""
        self._end_leftovers()
        # Another program there might answer while our own process still starts. A killed node has no command
        # line any more, but listens until its memory is given back.
        port = int(self.address.rpartition(":")[2])
        if not until(lambda: processes.is_free(port), _PORT_SECONDS, _PAUSE_SECONDS):
            raise ApacheKafkaError(f"port {port} is taken by another program")
        self.process = self._spawn("kafka.Kafka", "server.properties")
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 2})
        try:
            self.until(lambda: client.list_topics(timeout=_ASK_SECONDS), "no answer")
        except BaseException:
            self.kill()
            raise

    def until(self, ask: Callable[[], object], problem: str) -> None:
        """Wait until the answer is true. Raises ApacheKafkaError if the node ends or takes too long."""

        def answered() -> bool:
            if self.process is None or self.process.poll() is not None:
                lines = processes.last_lines(self.log)
                raise ApacheKafkaError(f"it ended while starting ({self.log}):\n{lines}")
            with suppress(KafkaException):
                return bool(ask())
            return False

        if not until(answered, _START_SECONDS, _PAUSE_SECONDS):
            raise ApacheKafkaError(f"it does not serve ({self.log}): {problem}")

    def stop(self) -> None:
        """End in order, which keeps all data."""
        self.end(signal.SIGTERM, patience=_STOP_SECONDS)

    def _spawn(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            command = jars.command(self._fetched, *arguments)
            return processes.spawn(command, cwd=self._data, stdout=log, stderr=log)

    def _end_leftovers(self) -> None:
        """End what a killed parent left, on systems that do not signal its children."""
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
