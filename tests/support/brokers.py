"""The broker that the tests run against: embedded, or with KAFKA=apache Apache Kafka itself."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from local.kafka.apache import ApacheKafka
from local.kafka.embedded import Broker
from tests.support.apache_kafka import share_jars

IS_APACHE = os.environ.get("KAFKA") == "apache"

forgets = pytest.mark.skipif(IS_APACHE, reason="Apache Kafka keeps what it has; the embedded broker does not")
"""Marks a test of what is done when the broker has lost everything."""

AnyBroker = Broker | ApacheKafka


def new_broker(topics: Mapping[str, int], data: Path) -> AnyBroker:
    """Not started. `data` is a folder that is not there yet."""
    if not IS_APACHE:
        return Broker(topics)
    share_jars(data)
    return ApacheKafka(topics, data)


def freeze(broker: AnyBroker) -> None:
    """From now on it accepts connections, and answers nothing."""
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
    deadline = time.monotonic() + 20
    while True:
        try:
            return [int(found.offset) for found in consumer.committed(asked, timeout=5)]
        except KafkaException as error:
            # A node that has just started does not coordinate every group at once, and the client gives up.
            if error.args[0].code() != KafkaError.NOT_COORDINATOR or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
