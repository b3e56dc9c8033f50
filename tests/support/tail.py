"""The one reader of a topic: joins no group, and gives records that a consumer can be given."""

import time
from contextlib import suppress
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition

from checkout.outbox.record import Record
from local.waiting import until

TOPIC = "checkout.finished"
PARTITIONS = 3
SECONDS = 20.0


class Tail:
    """Reads on from its position, which is the topic's end at first."""

    def __init__(self, brokers: str, *, from_beginning: bool = False) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": str(uuid4()), "fetch.wait.max.ms": 5, "log_level": 2}
        )
        self._next = [0] * PARTITIONS if from_beginning else ends(self._consumer, TOPIC)

    def read(self) -> list[Record]:
        """The records since the last call, partition by partition."""
        found: list[Record] = []
        for partition, end in enumerate(ends(self._consumer, TOPIC)):
            if self._next[partition] < end:
                self._consumer.assign([TopicPartition(TOPIC, partition, self._next[partition])])
            deadline = time.monotonic() + SECONDS
            while self._next[partition] < end:
                assert time.monotonic() < deadline, f"only {self._next} of {end} in partition {partition}"
                for message in self._consumer.consume(500, 0.1):
                    assert message.error() is None, message.error()
                    offset = message.offset() or 0
                    self._next[partition] = offset + 1
                    found.append(Record(TOPIC, partition, offset, message.key(), message.value() or b""))
        return found

    def position(self) -> list[int]:
        """The offset of each partition that is read next."""
        return list(self._next)

    def rewind(self, position: list[int]) -> None:
        """Read on from there, as a consumer group whose offsets were reset."""
        self._next = list(position)

    def close(self) -> None:
        self._consumer.close()


def ends(consumer: Consumer, topic: str) -> list[int]:
    """The offset after the last record of each partition."""
    return [_end(consumer, TopicPartition(topic, partition)) for partition in range(PARTITIONS)]


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """A broker that has just started does not know its partitions yet."""

    def offsets() -> tuple[int, int] | None:
        with suppress(KafkaException):
            return consumer.get_watermark_offsets(partition, timeout=SECONDS)
        return None

    found = until(offsets, SECONDS, 0.1)
    assert found is not None, f"the broker does not know {partition}"
    return int(found[1])
