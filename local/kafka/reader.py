"""A member of a consumer group: reads from the committed offsets on, stays alive, commits."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from local.kafka.msk_event import Record

_POLL_SECONDS = 0.1
_METADATA_SECONDS = 2.0
_LEAVE_SECONDS = 1.0
_CHUNK = 500
_LOSSES = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)


class BrokerLost(Exception):
    """The broker was away and may have lost everything, so offsets mean nothing any more."""


class Reader:
    """One consumer of a topic. After a KafkaException, which every method can raise, a new one is needed."""

    def __init__(
        self,
        brokers: str,
        group: str,
        topic: str,
        *,
        from_beginning: bool,
        forgetful: bool,
        stopping: threading.Event,
    ) -> None:
        """`forgetful` means that the broker restarts empty; then methods raise BrokerLost, too."""
        self.pending: deque[Record] = deque()
        """The records that were read and are not committed, in order."""
        self.assignment = 0
        """The number of rebalances: records of an earlier assignment belong to another member."""
        self._topic = topic
        self._forgetful = forgetful
        self._stopping = stopping
        self._cluster: str | None = None
        self._lost: str | None = None
        settings: dict[str, Any] = {
            "bootstrap.servers": brokers,
            "group.id": group,
            "auto.offset.reset": "earliest" if from_beginning else "latest",
            "enable.auto.commit": False,
            "session.timeout.ms": 3_000 if forgetful else 10_000,
            "heartbeat.interval.ms": 500,
            "max.poll.interval.ms": 300_000,
            "fetch.wait.max.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "allow.auto.create.topics": False,
            "log_level": 2,
            "error_cb": self._on_error,
        }
        self._consumer = Consumer(settings)

    def join(self) -> None:
        """Become a member of the group."""
        if self._forgetful:
            self._cluster = self._ask_for_cluster()
        self._consumer.subscribe([self._topic], on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def close(self) -> None:
        """Leave the group, in the background if the broker is away."""
        leaving = threading.Thread(target=self._consumer.close, daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)

    def read(self, limit: int, size: int, window: float) -> None:
        """Add to `pending`: wait a moment for a record, then up to `window` seconds for more.

        Ends early at `limit` records or about `size` bytes, and soon if records are pending already.
        """
        if self.pending:
            window = _POLL_SECONDS  # After a pause, records must be fetched again.
        else:
            self._take(self._consumer.poll(_POLL_SECONDS))
        until = time.monotonic() + window
        while self.pending and not self._stopping.is_set():
            missing = limit - len(self.pending)
            if missing <= 0 or sum(record.size for record in self.pending) >= size:
                break
            left = max(0.0, until - time.monotonic())
            messages = self._consumer.consume(min(missing, _CHUNK), min(left, _POLL_SECONDS))
            for message in messages:
                self._take(message)
            if left <= 0 and not messages:
                break
        self._check_alive()

    def stay_alive(self, done: Callable[[], bool]) -> None:
        """Remain in the group without reading, until `done` or until we are stopped."""
        with self._paused():
            while not done() and not self._stopping.is_set():
                self._take(self._consumer.poll(_POLL_SECONDS / 2))

    def commit(self, records: Sequence[Record]) -> None:
        """Commit the offsets after these records, which are the first pending ones of their partitions."""
        following = {record.partition: record.offset + 1 for record in records}
        if not following:
            return
        if self._forgetful and self._ask_for_cluster() != self._cluster:
            # It would take our old offset for one of its new log.
            raise BrokerLost("it started again")
        self._consumer.commit(
            offsets=[
                TopicPartition(self._topic, partition, offset) for partition, offset in following.items()
            ],
            asynchronous=False,
        )

    def _ask_for_cluster(self) -> str | None:
        cluster: str | None = self._consumer.list_topics(self._topic, _METADATA_SECONDS).cluster_id
        return cluster

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise BrokerLost(self._lost)

    def _on_error(self, error: KafkaError) -> None:
        if self._forgetful and error.code() in _LOSSES:
            self._lost = error.str()

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.assignment += 1
        self.pending.clear()
        # A pause outlasts the assignment: without this, a partition that we get again would never be read.
        consumer.resume(partitions)

    def _take(self, message: Message | None) -> None:
        if message is None:
            return
        if (error := message.error()) is None:
            self.pending.append(_record(message))
        elif error.fatal():
            raise KafkaException(error)

    @contextmanager
    def _paused(self) -> Iterator[None]:
        assignment, partitions = self.assignment, self._consumer.assignment()
        self._consumer.pause(partitions)
        try:
            yield
        finally:
            if self.assignment == assignment:
                self._consumer.resume(partitions)


def _record(message: Message) -> Record:
    kind, timestamp = message.timestamp()
    headers: Any = message.headers() or []
    return Record(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp=timestamp,
        timestamp_type=kind,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in headers),
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
