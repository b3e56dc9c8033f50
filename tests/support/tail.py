"""What was published since the last look, as records that a consumer can be given."""

from uuid import uuid4

from confluent_kafka import Consumer, TopicPartition

from checkout.outbox.record import Record


class Tail:
    """Of `checkout.finished`: reads on from where it was, beginning at the end."""

    TOPIC = "checkout.finished"

    def __init__(self, brokers: str) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": brokers, "group.id": str(uuid4()), "fetch.wait.max.ms": 5}
        )
        self._next = [0, 0, 0]
        self.read()

    def read(self) -> list[Record]:
        found: list[Record] = []
        for partition, start in enumerate(self._next):
            at = TopicPartition(self.TOPIC, partition, start)
            _, end = self._consumer.get_watermark_offsets(at, timeout=10)
            if start < end:
                self._consumer.assign([at])
            while self._next[partition] < end:
                message = self._consumer.poll(1)
                if message is not None and not message.error():
                    offset = message.offset() or 0
                    self._next[partition] = offset + 1
                    found.append(Record(self.TOPIC, partition, offset, message.key(), message.value() or b""))
        return found

    def position(self) -> list[int]:
        """By partition, the offset that is read next."""
        return list(self._next)

    def rewind(self, position: list[int]) -> None:
        """Read on from there, as a consumer group whose offsets were reset."""
        self._next = list(position)

    def close(self) -> None:
        self._consumer.close()
