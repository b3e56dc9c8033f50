"""The tests' broker: the embedded one, or Apache Kafka with KAFKA=apache."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from local.kafka.apache import ApacheKafka
from local.kafka.embedded import Broker
from tests.support.apache_kafka import share_jars
from tests.support.waiting import eventually

IS_APACHE = os.environ.get("KAFKA") == "apache"

forgets = pytest.mark.skipif(IS_APACHE, reason="Apache Kafka keeps what it has; the embedded broker does not")
"""Marks a test with a broker that loses everything."""

AnyBroker = Broker | ApacheKafka


def new_broker(topics: Mapping[str, int], data: Path) -> AnyBroker:
    """A broker that is not started. The folder `data` must not exist yet."""
    if not IS_APACHE:
        return Broker(topics)
    share_jars(data)
    return ApacheKafka(topics, data)


class SpareBroker:
    """A broker for one test after the other, which each may stop, kill or freeze.

    Apache Kafka takes seconds to start, so it runs on, with new topics for each test.
    """

    def __init__(self, data: Path) -> None:
        """The folder `data` must not exist yet."""
        self._data = data
        self._apache: ApacheKafka | None = None

    @contextmanager
    def with_empty(self, topics: Mapping[str, int]) -> Iterator[AnyBroker]:
        """The running broker with these topics (name → partitions), no records and no offsets."""
        if IS_APACHE:
            yield self._emptied(topics)
            return
        broker = Broker(topics)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()

    def stop(self) -> None:
        if self._apache is not None:
            thaw(self._apache)
            self._apache.stop()

    def _emptied(self, topics: Mapping[str, int]) -> ApacheKafka:
        if self._apache is None:
            share_jars(self._data)
            self._apache = ApacheKafka({}, self._data)
        if any(node.process is None for node in self._apache.nodes) or not self._apache.nodes:
            self._apache.start()
        thaw(self._apache)
        admin = AdminClient({"bootstrap.servers": self._apache.address, "log_level": 2})
        eventually(lambda: _forget_groups(admin), 60)
        eventually(lambda: _forget_topics(admin), 60)
        eventually(lambda: _make(admin, topics), 60)
        return self._apache


def _forget_groups(admin: AdminClient) -> bool:
    """Return True if no group is left; one with members has to wait until they are gone."""
    groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
    for done in (admin.delete_consumer_groups(groups) if groups else {}).values():
        with suppress(KafkaException):
            done.result()
    return not groups


def _forget_topics(admin: AdminClient) -> bool:
    """Return True if the broker lists no topic, which it does only some time after their deletion."""
    names = [name for name in admin.list_topics(timeout=20).topics if not name.startswith("__")]
    for done in (admin.delete_topics(names, operation_timeout=20) if names else {}).values():
        with suppress(KafkaException):
            done.result()
    return not names


def _make(admin: AdminClient, topics: Mapping[str, int]) -> bool:
    """Return True if the topics can be written to; create those that are missing."""
    there = admin.list_topics(timeout=20).topics
    missing = [NewTopic(name, count, 1) for name, count in topics.items() if name not in there]
    for done in (admin.create_topics(missing, operation_timeout=20) if missing else {}).values():
        with suppress(KafkaException):
            done.result()
    return not missing and all(
        partition.leader >= 0 for name in topics for partition in there[name].partitions.values()
    )


def freeze(broker: AnyBroker) -> None:
    """Suspend the broker, which then accepts connections without answering."""
    for process in _processes(broker):
        process.send_signal(signal.SIGSTOP)
        # Until all of its threads are: it may answer meanwhile.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)


def thaw(broker: AnyBroker) -> None:
    for process in _processes(broker):
        process.send_signal(signal.SIGCONT)


def _processes(broker: AnyBroker) -> "list[subprocess.Popen[bytes]]":
    services = broker.nodes if isinstance(broker, ApacheKafka) else [broker]
    found = [service.process for service in services]
    assert None not in found
    return [process for process in found if process is not None]


def committed(consumer: Consumer, topic: str, partitions: int) -> list[int]:
    """The offset that the consumer's group committed in each partition, or a negative number."""
    asked = [TopicPartition(topic, partition) for partition in range(partitions)]
    found: list[int] = []

    def is_answered() -> bool:
        try:
            found[:] = [int(one.offset) for one in consumer.committed(asked, timeout=5)]
        except KafkaException as error:
            # A node that has just started may not coordinate the group yet, and the client does not retry.
            if error.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            return False
        return True

    eventually(is_answered, 20)
    return found
