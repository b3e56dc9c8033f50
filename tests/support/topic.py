"""`checkout.finished` observed from outside, next to the trigger that consumes it."""

import json
from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, Producer

from checkout.outbox.record import Record
from tests.support.brokers import committed
from tests.support.tail import SECONDS, TOPIC, Tail, ends

GROUP = "checkout-finished-consumer"


class Topic:
    """The whole topic; every call needs a broker that answers."""

    def __init__(self, brokers: str, group: str = GROUP) -> None:
        """`group` is the trigger's."""
        self._brokers = brokers
        self._group = group

    def records(self) -> list[Record]:
        """All records, partition by partition."""
        tail = Tail(self._brokers, from_beginning=True)
        found = tail.read()
        tail.close()
        return found

    def of_request(self, request_id: str) -> list[dict[str, Any]]:
        """The contents of the records of a request."""
        contents = [json.loads(record.value) for record in self.records() if record.value]
        # What another test's records lack is no matter.
        return [one for one in contents if one.get("request_id") == request_id]

    def produce(self, records: Iterable[Record]) -> None:
        """Append copies, each to its own partition, and wait for the broker's acknowledgement."""
        producer = Producer(
            {"bootstrap.servers": self._brokers, "log_level": 2, "acks": "all", "linger.ms": 0}
        )
        for record in records:
            producer.produce(TOPIC, record.value, record.key, record.partition)
        assert producer.flush(SECONDS) == 0

    def lag(self) -> int:
        """The number of records that the trigger has not committed."""
        consumer = Consumer(
            {"bootstrap.servers": self._brokers, "group.id": self._group, "enable.auto.commit": False}
        )
        found = sum(lags(consumer, TOPIC))
        consumer.close()
        return found


def lags(consumer: Consumer, topic: str) -> list[int]:
    """The numbers of records that the consumer's group has not committed, for each partition."""
    after = ends(consumer, topic)
    offsets = committed(consumer, topic, len(after))
    # An offset is negative before the first commit.
    return [end - max(0, offset) for end, offset in zip(after, offsets, strict=True)]
