"""Apache Kafka itself, as one node (KRaft: no ZooKeeper), from the jars that Maven fetches once.

It needs Java and, for the fetching, Maven. Topics, records and committed offsets survive the process.
"""

import base64
import fcntl
import re
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from local import processes

HOST = "127.0.0.1"
POM = Path(__file__).parent / "kafka" / "pom.xml"
_JAVA_VERSION = 17
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_ASK_SECONDS = 0.5
_PAUSE_SECONDS = 0.05
_LAST_LINES = 15
_HINT = "or leave KAFKA out: the embedded broker needs neither Java nor Maven"

_JAVA_OPTIONS = (
    *("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),  # Starts fast, stays small.
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
)
# Paths are relative to the working directory: the format has its own idea of special characters.
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
log.dirs=data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=50
# A killed broker can come back only when its session has ended.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"""


class ApacheKafkaError(RuntimeError):
    """Kafka could not be fetched or started; says what to do."""


class ApacheKafka:
    """One node with the given topics (name → partitions); its port stays the same through restarts."""

    api_version: str | None = None
    """What kafka-python must be told: nothing, it finds out by itself."""

    def __init__(
        self,
        topics: Mapping[str, int],
        data: Path,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        """`data` is the folder that `fetch` filled; `port` None means any free one, chosen once.

        `properties` are more of the node's own, or others, with `{host}`, `{port}` and `{controller_port}` in
        them.
        """
        self._topics = dict(topics)
        self._data = data
        self._port = port
        self._properties = dict(properties or {})
        self._controller_port: int | None = None
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """What clients bootstrap from, `host:port`."""
        if self._port is None:
            raise ApacheKafkaError("Kafka has not been started")
        return f"{HOST}:{self._port}"

    @property
    def log(self) -> Path:
        """What the node printed, since the folder was made."""
        return self._data / "kafka.log"

    def start(self) -> None:
        """Return when it serves its topics. Raises ApacheKafkaError, ending what it started."""
        if not is_fetched(self._data):
            raise ApacheKafkaError("Apache Kafka has not been fetched: run make kafka")
        require_java()
        self._end_leftovers()
        # Otherwise whoever is there might answer in our place while our own process still starts.
        if self._port is not None and not processes.is_free(self._port):
            raise ApacheKafkaError(f"port {self._port} is taken by another program")
        self._write_properties()
        self._format()
        with self.log.open("ab") as log:
            self.process = processes.spawn(
                _java("kafka.Kafka", "server.properties"), cwd=self._data, stdout=log, stderr=log
            )
        try:
            self._serve_topics(self.process)
        except BaseException:
            self.kill()
            raise

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

    def restart(self) -> None:
        """Crash and come back on the same port."""
        self.kill()
        self.start()

    def _write_properties(self) -> None:
        self._port = self._port or processes.free_port()
        while self._controller_port in (None, self._port):
            self._controller_port = processes.free_port()
        # The last one of a name counts.
        text = _PROPERTIES + "".join(f"{name}={value}\n" for name, value in self._properties.items())
        text = text.format(host=HOST, port=self._port, controller_port=self._controller_port)
        (self._data / "server.properties").write_text(text)

    def _format(self) -> None:
        """Give the storage an identity, which it keeps."""
        if (self._data / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = _java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--ignore-formatted")
        with self.log.open("ab") as log:
            formatting = processes.spawn(
                [*tool, "--config=server.properties"], cwd=self._data, stdout=log, stderr=log
            )
        if formatting.wait():
            raise ApacheKafkaError(f"its storage cannot be formatted:\n{_last_lines(self.log)}")

    def _serve_topics(self, process: "subprocess.Popen[bytes]") -> None:
        """Wait until it answers, and make the topics that are missing."""
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 2})
        deadline = time.monotonic() + _START_SECONDS
        problem = "no answer"
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ApacheKafkaError(f"it ended while starting ({self.log}):\n{_last_lines(self.log)}")
            try:
                if self._has_topics(client):
                    return
                problem = "no leader for a partition"
            except KafkaException as error:
                problem = str(error)
            time.sleep(_PAUSE_SECONDS)
        raise ApacheKafkaError(f"it does not serve ({self.log}): {problem}")

    def _has_topics(self, client: AdminClient) -> bool:
        """Whether all can be written to; those that are missing have been made now."""
        existing = client.list_topics(timeout=_ASK_SECONDS).topics
        missing = [NewTopic(name, count, 1) for name, count in self._topics.items() if name not in existing]
        if missing:
            for made in client.create_topics(missing, operation_timeout=_STOP_SECONDS).values():
                made.result()
            return False
        partitions = [one for name in self._topics for one in existing[name].partitions.values()]
        return all(partition.leader >= 0 for partition in partitions)

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


def is_fetched(data: Path) -> bool:
    """Whether the jars that the POM asks for are in the folder."""
    copied = _libraries(data) / POM.name
    return copied.exists() and copied.read_bytes() == POM.read_bytes()


def fetch(data: Path, say: Callable[[str], None]) -> None:
    """Put Kafka's jars into the folder, unless they are there. Raises ApacheKafkaError.

    The first time takes as long as a download of 45 MB does.
    """
    if is_fetched(data):
        return
    require_java()
    if shutil.which("mvn") is None:
        raise ApacheKafkaError(f"Maven is needed to fetch Apache Kafka: install mvn, {_HINT}")
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(data):
        if is_fetched(data):
            return
        say("fetching Apache Kafka with Maven: 45 MB, only once")
        began = time.monotonic()
        _fetch_anew(data)
        say(f"Apache Kafka fetched in {time.monotonic() - began:.1f} s")


def _fetch_anew(data: Path) -> None:
    fetched, log = data / "libs.unfinished", data / "maven.log"
    shutil.rmtree(fetched, ignore_errors=True)
    with log.open("wb") as output:
        maven = processes.spawn(
            [
                *("mvn", "--batch-mode", "--quiet", f"--file={POM.resolve()}"),
                *("dependency:copy-dependencies", f"-DoutputDirectory={fetched.resolve()}"),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        status = maven.wait()
    finally:
        processes.end(maven, signal.SIGTERM)
    if status:
        raise ApacheKafkaError(
            f"Maven cannot fetch Apache Kafka ({log}):\n{_last_lines(log)}\n"
            f"Is Maven Central reachable? If not, {_HINT.removeprefix('or ')}."
        )
    # Written last: it says that the rest is complete.
    shutil.copyfile(POM, fetched / POM.name)
    shutil.rmtree(_libraries(data), ignore_errors=True)
    fetched.rename(_libraries(data))


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    with (data / "fetching").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _libraries(data: Path) -> Path:
    return data / "libs"


def _java(*arguments: str) -> Sequence[str]:
    """To be run in the data folder."""
    return ["java", *_JAVA_OPTIONS, "-cp", "libs/*", *arguments]


def require_java() -> None:
    """Raises ApacheKafkaError where there is no Java that Kafka runs on."""
    needed = f"Apache Kafka needs Java {_JAVA_VERSION} or later (the command java)"
    try:
        asked = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ApacheKafkaError(f"{needed}: install a JDK, {_HINT}") from None
    found = re.search(r'version "(\d+)', asked.stderr + asked.stdout)
    if found is None or int(found[1]) < _JAVA_VERSION:
        there = f"version {found[1]}" if found else "one that does not work"
        raise ApacheKafkaError(f"{needed}, and there is {there}: install a newer JDK, {_HINT}")


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:])
