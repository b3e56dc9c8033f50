"""`checkout.finished` seen from outside, beside the trigger that consumes it."""

from dataclasses import dataclass

from confluent_kafka import Consumer, Message, Producer, TopicPartition

from tests.support.brokers import committed

TOPIC = "checkout.finished"
GROUP = "checkout-finished-consumer"
PARTITIONS = 3
SECONDS = 10.0


@dataclass(frozen=True)
class Record:
    partition: int
    key: bytes
    value: bytes


class Topic:
    """Reads without joining a group; every call needs a broker that answers."""

    def __init__(self, brokers: str, group: str = GROUP) -> None:
        """`group` is the trigger's."""
        self._settings = {"bootstrap.servers": brokers, "log_level": 2}
        self._group = group

    def records(self) -> list[Record]:
        """All there are, partition by partition in order."""
        consumer = self._consumer("outside")
        ends = self._ends(consumer)
        found: dict[int, list[Message]] = {partition: [] for partition in ends}
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in ends])
        while any(len(found[partition]) < end for partition, end in ends.items()):
            for message in consumer.consume(500, 0.1):
                assert message.error() is None, message.error()
                found[message.partition() or 0].append(message)
        consumer.close()
        return [_record(message) for messages in found.values() for message in messages]

    def produce(self, records: list[Record]) -> None:
        """Append copies, each to its own partition, and wait for the broker's acknowledgement."""
        producer = Producer({**self._settings, "acks": "all", "linger.ms": 0})
        for record in records:
            producer.produce(TOPIC, record.value, record.key, record.partition)
        assert producer.flush(SECONDS) == 0

    def lag(self) -> int:
        """How many records the trigger has not committed."""
        consumer = self._consumer(self._group)
        ends = self._ends(consumer)
        offsets = committed(consumer, TOPIC, len(ends))
        consumer.close()
        # Where nothing was committed yet, the offset is negative.
        return sum(ends[partition] - max(0, offset) for partition, offset in enumerate(offsets))

    def _consumer(self, group: str) -> Consumer:
        return Consumer({**self._settings, "group.id": group, "enable.auto.commit": False})

    @staticmethod
    def _ends(consumer: Consumer) -> dict[int, int]:
        ends = {}
        for partition in range(PARTITIONS):
            _, ends[partition] = consumer.get_watermark_offsets(
                TopicPartition(TOPIC, partition), timeout=SECONDS
            )
        return ends


def _record(message: Message) -> Record:
    key, value = message.key(), message.value()
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    return Record(message.partition() or 0, key, value)
