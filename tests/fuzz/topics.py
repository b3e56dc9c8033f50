"""Both topics, of which nothing is lost although the embedded broker keeps only 5 MB of a partition."""

import threading
import time
from collections import Counter

from confluent_kafka import Consumer, Producer

from tests.fuzz.records import FINISHED, REQUESTS, Record
from tests.support.tail import PARTITIONS
from tests.support.topic import GROUP, lags

GROUPS = {FINISHED: GROUP, REQUESTS: "checkout-requests-consumer"}
MOST_BYTES = 2_000_000
"""Bytes of a topic that may wait for its consumer."""
STUCK_SECONDS = 90.0


class Stuck(RuntimeError):
    """A partition's consumer does not move; the message says which."""


class Topics:
    """Producer and consumers for both; may be shared by threads."""

    def __init__(self, brokers: str) -> None:
        self._settings = {"bootstrap.servers": brokers, "log_level": 2}
        self._producer = Producer({**self._settings, "acks": "all", "linger.ms": 1})
        self._consumers = {
            topic: Consumer({**self._settings, "group.id": group, "enable.auto.commit": False})
            for topic, group in GROUPS.items()
        }
        self._lock = threading.Lock()
        self._waiting: Counter[str] = Counter()
        self.produced: Counter[str] = Counter()
        self.refused: list[str] = []
        """The broker's reasons for refusing records."""

    def produce(self, record: Record) -> None:
        """Produce, and return once there is room for more. Raises Stuck."""
        with self._lock:
            self._waiting[record.topic] += record.size
            self.produced[record.topic] += 1
            if self._waiting[record.topic] > MOST_BYTES:
                self._drain(record.topic)
        self._producer.produce(
            record.topic,
            record.value,
            record.key,
            record.partition,
            self._reported,
            headers=list(record.headers),
        )
        self._producer.poll(0)

    def settle(self) -> None:
        """Return once both groups are at the end of their topics. Raises Stuck."""
        with self._lock:
            for topic in GROUPS:
                self._drain(topic)

    def lag(self, topic: str) -> list[int]:
        """The records that its consumer has not committed, for each partition."""
        return lags(self._consumers[topic], topic)

    def close(self) -> None:
        for consumer in self._consumers.values():
            consumer.close()

    def _drain(self, topic: str) -> None:
        self._producer.flush(20)
        least, moved = self.lag(topic), [time.monotonic()] * PARTITIONS
        while any(now := self.lag(topic)):
            for partition, left in enumerate(now):
                if left < least[partition] or left == 0:
                    least[partition], moved[partition] = left, time.monotonic()
                elif time.monotonic() - moved[partition] > STUCK_SECONDS:
                    raise Stuck(f"{topic}-{partition}: its {left} records wait since {STUCK_SECONDS:.0f} s")
            time.sleep(0.05)
        self._waiting[topic] = 0

    def _reported(self, error: object, _message: object) -> None:
        if error is not None:
            self.refused.append(str(error))
