"""Whether the topics are read: a record without effect is published to each, and must be committed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from checkout.base import timing
from checkout.base.errors import Unavailable
from checkout.base.user_ids import UserId
from checkout.outbox.probes import Probe, probes


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a topic is read. Topic and group are as the brokers name them, the probe is at `offset`, and
    `committed` is the next offset that the group reads, negative before the first."""

    topic: str
    group: str
    partition: int
    offset: int
    committed: int = -1

    @property
    def is_past(self) -> bool:
        return self.committed > self.offset


def read(client: Mapping[str, Any], prefix: str, user_id: UserId, seconds: float) -> list[Reading]:
    """Publish, and return once every probe is committed, or after so long. Raises Unavailable.

    `client` are the options of a kafka-python client; `prefix` is that of topics and groups, and `user_id`
    one that no user has. If the process dies, a probe is left, for which nobody waits.
    """
    milliseconds = timing.PUBLISH_REQUEST * 1000
    options = {"bootstrap_timeout_ms": milliseconds, "request_timeout_ms": milliseconds, **client}
    try:
        placed = _published(options, prefix, user_id)
        admin = KafkaAdminClient(**options)
        try:
            return _followed(admin, placed, time.monotonic() + seconds)
        finally:
            admin.close()
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer, or refuses: {type(error).__name__}.") from error


def _published(options: Mapping[str, Any], prefix: str, user_id: UserId) -> list[Reading]:
    producer = KafkaProducer(
        **options, acks="all", enable_idempotence=False, max_block_ms=timing.PUBLISH_REQUEST * 1000
    )
    try:
        return [_sent(producer, probe, prefix) for probe in probes(user_id)]
    finally:
        producer.close(timeout=timing.PRODUCER_CLOSE)


def _sent(producer: KafkaProducer, probe: Probe, prefix: str) -> Reading:
    topic = prefix + probe.topic
    sending = producer.send(topic, key=probe.key, value=probe.value)
    found = sending.get(timeout=timing.PUBLISH_REQUEST)
    return Reading(topic, prefix + probe.group, found.partition, found.offset)


def _followed(admin: KafkaAdminClient, placed: list[Reading], deadline: float) -> list[Reading]:
    while True:
        found = [_now(admin, one) for one in placed]
        if all(one.is_past for one in found) or time.monotonic() > deadline:
            return found
        time.sleep(timing.TRIGGER_PAUSE)


def _now(admin: KafkaAdminClient, reading: Reading) -> Reading:
    partition = TopicPartition(reading.topic, reading.partition)
    try:
        committed = admin.list_group_offsets({reading.group: [partition]})[reading.group][partition].offset
    except KafkaError as error:
        if not error.retriable:  # A group that a broker has just taken over is loaded for a while.
            raise
        committed = -1
    return replace(reading, committed=committed)
