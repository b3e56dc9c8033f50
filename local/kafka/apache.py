"""Apache Kafka, with one node or several. Topics, records and committed offsets outlive the processes."""

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from local import lock_file, processes
from local.kafka import jars
from local.kafka.jars import ApacheKafkaError
from local.kafka.node import Node
from local.waiting import until

HOST = "127.0.0.1"
_ASK_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_MAKE_SECONDS = 10.0
_START_SECONDS = 90.0


class ApacheKafka:
    """A cluster with the given topics (name → partitions); its ports stay the same after a restart.

    Every node has every topic, and of three nodes two must have a record before it is acknowledged.
    """

    api_version: str | None = None
    """The version that kafka-python must be given: none, since it finds out automatically."""

    def __init__(
        self,
        topics: Mapping[str, int],
        data: Path,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
        nodes: int = 1,
        host: str = HOST,
    ) -> None:
        """`data` is the folder that `jars.fetch` filled; `port` None means any free one, chosen once.

        `properties` are added to each node's own, or replace them, and may have `{host}`, `{port}` and
        `{controller_port}` in them. `host` is an address of this machine.
        """
        self._topics = dict(topics)
        self._data = data
        self._port = port
        self._properties = dict(properties or {})
        self._count = nodes
        self._host = host
        self._lock: IO[str] | None = None
        self.nodes: Sequence[Node] = ()
        """Empty before the first start."""

    @property
    def address(self) -> str:
        """The bootstrap servers, `host:port,host:port`."""
        if not self.nodes:
            raise ApacheKafkaError("Kafka has not been started")
        return ",".join(node.address for node in self.nodes)

    def start(self) -> None:
        """Return once it serves its topics. Raises ApacheKafkaError after ending what it started."""
        if not jars.is_fetched(self._data):
            raise ApacheKafkaError("Apache Kafka has not been fetched: run make kafka")
        jars.require_java()
        self._hold()
        self.nodes = self.nodes or self._plan()
        try:
            cluster_id = self._cluster_id()  # Before there are threads, each of which would create one.
            self._each(lambda node: node.format(cluster_id))
            self._each(Node.start)
            self._make_topics()
        except BaseException:
            self.kill()
            raise
        _brokers_file(self._data).write_text(self.address)

    def stop(self) -> None:
        """End in order, which keeps all data."""
        self._each(Node.stop)
        self._let_go()

    def kill(self) -> None:
        """End as a crash would (SIGKILL), which keeps all data, too."""
        self._each(Node.kill)
        self._let_go()

    def restart(self) -> None:
        """Crash and come back on the same ports."""
        self.kill()
        self.start()

    def _each(self, do: Callable[[Node], None]) -> None:
        """Do it to all nodes at once, since one alone does not answer."""
        if self.nodes:
            with ThreadPoolExecutor(len(self.nodes)) as side_by_side:
                list(side_by_side.map(do, self.nodes))

    def _hold(self) -> None:
        """Lock the folder until this process ends."""
        lock = self._data / "lock"
        starting = lock_file.hold(self._data / "starting")
        if starting is not None:
            with starting:
                if not lock_file.is_held(lock):
                    # That of a killed predecessor goes first: who finds the folder held believes the file.
                    _brokers_file(self._data).unlink(missing_ok=True)
                    self._lock = lock_file.hold(lock)
        if self._lock is None:
            raise ApacheKafkaError(f"another process runs Apache Kafka in {self._data}")

    def _let_go(self) -> None:
        if self._lock is not None:
            _brokers_file(self._data).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def _plan(self) -> Sequence[Node]:
        ports = {self._port} if self._port else set[int]()
        while len(ports) < 2 * self._count:
            ports.add(processes.free_port())
        ordered = sorted(ports, key=lambda port: port != self._port)
        pairs = list(enumerate(zip(ordered[: self._count], ordered[self._count :], strict=True), 1))
        voters = ",".join(f"{number}@{self._host}:{controller}" for number, (_, controller) in pairs)
        return [
            Node(
                self._data / f"node-{number}-of-{self._count}",
                self._data,
                f"{self._host}:{port}",
                {
                    name: value.format(
                        **{"host": self._host, "port": port, "controller_port": controller_port},
                        **{"number": number, "voters": voters, "nodes": self._count},
                        in_sync=self._count // 2 + 1,
                    )
                    for name, value in {**_PROPERTIES, **self._properties}.items()
                },
            )
            for number, (port, controller_port) in pairs
        ]

    def _cluster_id(self) -> str:
        """The id, created once, since all nodes must have the same."""
        kept = self._data / "cluster-id"
        if not kept.exists():
            kept.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        return kept.read_text()

    def _make_topics(self) -> None:
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 2})
        self.nodes[0].until(lambda: self._has_topics(client), "no leader for a partition")

    def _has_topics(self, client: AdminClient) -> bool:
        """Return True if all topics can be written to; create those that are missing."""
        cluster = client.list_topics(timeout=_ASK_SECONDS)
        if len(cluster.brokers) < self._count:
            return False
        missing = [
            NewTopic(name, partitions, self._count)
            for name, partitions in self._topics.items()
            if name not in cluster.topics
        ]
        if missing:
            for made in client.create_topics(missing, operation_timeout=_MAKE_SECONDS).values():
                made.result()
            return False
        partitions = [one for name in self._topics for one in cluster.topics[name].partitions.values()]
        return all(partition.leader >= 0 for partition in partitions)


def serving(data: Path, patience: float = _START_SECONDS) -> str | None:
    """The brokers, `host:port,host:port`, that another process (`make kafka`) runs in the folder.

    If that process is just starting, this waits up to `patience` seconds for it.
    """
    found: str | None = None

    def is_settled() -> bool:
        nonlocal found
        if lock_file.is_held(data / "lock"):
            with suppress(FileNotFoundError):
                found = _brokers_file(data).read_text() or None
            return found is not None
        return True

    until(is_settled, patience, _LOOK_SECONDS)
    return found


def _brokers_file(data: Path) -> Path:
    return data / "brokers"


_PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "{number}",
    "listeners": "PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}",
    "controller.quorum.voters": "{voters}",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": "data",
    "auto.create.topics.enable": "false",
    "min.insync.replicas": "{in_sync}",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "{nodes}",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "{nodes}",
    "transaction.state.log.min.isr": "{in_sync}",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "{nodes}",
    "share.coordinator.state.topic.min.isr": "{in_sync}",
    "group.initial.rebalance.delay.ms": "50",
    # A killed broker can come back only when its session has ended.
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "3000",
}
