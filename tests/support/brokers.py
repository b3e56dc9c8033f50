"""The tests' broker: the embedded one, or Apache Kafka with KAFKA=apache."""

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

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


def freeze(broker: AnyBroker) -> None:
    """Suspend the broker, which then accepts connections without answering."""
    _signal(broker, signal.SIGSTOP)


def thaw(broker: AnyBroker) -> None:
    _signal(broker, signal.SIGCONT)


def _signal(broker: AnyBroker, number: signal.Signals) -> None:
    for service in broker.nodes if isinstance(broker, ApacheKafka) else [broker]:
        assert service.process is not None
        service.process.send_signal(number)


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
