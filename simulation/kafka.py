"""A model of Kafka: topics of three partitions, and one consumer group that stores its offsets."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from checkout.outbox.producer import KafkaPublisher, Published
from checkout.outbox.record import Record
from checkout.outbox.table import Message
from simulation import publications
from simulation.broken import Broken

PARTITIONS = 3
FINISHED, REQUESTS = "checkout.finished", "checkout.requests"

AWAY, UNACKNOWLEDGED, LOST, HALF = (
    "broker away",
    "acknowledgement lost",
    "acknowledged and lost",
    "half of the batch",
)
PUBLISHING = (AWAY, UNACKNOWLEDGED, LOST, HALF)


class Faults(Protocol):
    """What a process is subject to when it publishes."""

    def at_publish(self, names: Sequence[str]) -> str | None: ...
    def after_publish(self) -> None: ...
    def not_published(self, effect_key: str, value: bytes) -> None: ...


class Topic:
    def __init__(self, name: str) -> None:
        self.name = name
        self.partitions: list[list[Record | None]] = [[] for _ in range(PARTITIONS)]
        """By offset; None is a record that was lost."""
        self.stored = [0] * PARTITIONS
        """The group's offsets."""
        self.ever: dict[bytes, str] = {}
        """The values of all records that were appended, with their keys, oldest first."""

        self.largest: int | None = None
        """What has more bytes is refused."""
        self.published: list[bytes] = []
        """The value of each, as often as it was appended."""
        self.offence: Broken | None = None
        """What was wrong first with what was published together."""

    def take(self, key: str, value: bytes) -> None:
        """Note that it was published; nobody can read it before `append`."""
        self.ever[value] = key
        self.published.append(value)

    def refuses(self, message: Message) -> bool:
        return self.largest is not None and len(message.value) > self.largest

    def append(self, key: str, value: bytes) -> None:
        self.take(key, value)
        number = zlib.crc32(key.encode()) % PARTITIONS
        partition = self.partitions[number]
        partition.append(Record(self.name, number, len(partition), key.encode(), value))

    def require_kept(self) -> None:
        """Raises Broken if something was published as it must not be."""
        if self.offence is not None:
            raise self.offence

    def lag(self) -> int:
        return sum(
            len(records[stored:]) - records[stored:].count(None)
            for records, stored in zip(self.partitions, self.stored, strict=True)
        )

    def batch(self, among: Collection[int], most: int) -> list[Record]:
        """From the stored offsets of these partitions on, at most so many of each."""
        return [
            record
            for number in among
            for record in self.partitions[number][self.stored[number] :][:most]
            if record is not None
        ]

    def store(self, batch: Sequence[Record], again: Collection[tuple[int, int]]) -> None:
        """The batch is done, except from these (partition, offset) on."""
        for number in {record.partition for record in batch}:
            last = max(record.offset for record in batch if record.partition == number)
            first = min((offset for partition, offset in again if partition == number), default=last + 1)
            self.stored[number] = first

    def begin_anew(self) -> None:
        """All records are gone, and offsets begin at 0."""
        self.partitions = [[] for _ in range(PARTITIONS)]
        self.stored = [0] * PARTITIONS

    def find_lost(self) -> None:
        """Everything that was ever appended is there, and the group has read it all."""
        there = {record.value for records in self.partitions for record in records if record is not None}
        for value, key in [*self.ever.items()]:
            if value not in there:
                self.append(key, value)
        self.stored = [len(records) for records in self.partitions]

    def lose(self, number: int, offset: int) -> None:
        self.partitions[number][offset] = None


class WorldsPublisher(KafkaPublisher):
    def __init__(self, topics: Mapping[str, Topic], faults: Faults) -> None:
        super().__init__(["world:9092"])
        self._topics, self._faults = topics, faults

    def publish(self, messages: Sequence[Message], timeout_seconds: float) -> Published:
        del timeout_seconds
        finished = self._topics[FINISHED]
        finished.offence = finished.offence or publications.offence(messages, finished.ever)
        fault = self._faults.at_publish(PUBLISHING) if messages else None
        refused = [] if fault == AWAY else [one for one in messages if self._topics[one.topic].refuses(one)]
        for message in refused:
            self._faults.not_published(message.effect_key, message.value)
        messages = [one for one in messages if one not in refused]
        half = (len(messages) + 1) // 2
        kept = 0 if fault == AWAY else half
        for message in messages[kept:] if fault in (AWAY, HALF) else ():
            self._faults.not_published(message.effect_key, message.value)
        if fault == AWAY:
            return Published()
        taken = messages[:half] if fault == HALF else messages
        if fault != LOST:
            for message in taken:
                self._topics[message.topic].append(message.key, message.value)
        else:
            for message in taken:
                self._topics[message.topic].take(message.key, message.value)
        self._faults.after_publish()
        acknowledged = [] if fault == UNACKNOWLEDGED else [message.effect_key for message in taken]
        return Published(acknowledged, [message.effect_key for message in refused])

    def require(self, *given: Any) -> None:
        del given
