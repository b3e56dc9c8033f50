"""The event with which Lambda hands over records of Kafka."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct

from checkout.base.errors import Unavailable

NO_PARTITION = -1
"""The partition of a record that never was on Kafka: it was parked for a person to decide."""


class Record(Struct, frozen=True, gc=False):
    """One record; `value` is empty for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset."""
        return self.topic, self.partition, self.offset


def records_of(event: Mapping[str, Any]) -> list[Record]:
    """All records of the event, each partition's in its order."""
    return [
        Record(
            topic=record["topic"],
            partition=record["partition"],
            offset=record["offset"],
            key=base64.b64decode(record["key"]) if record.get("key") is not None else None,
            value=base64.b64decode(record.get("value") or ""),
        )
        for records in event["records"].values()
        for record in records
    ]


def response(again: Sequence[Record], *, is_partial: bool) -> dict[str, Any]:
    """What makes Lambda deliver these records of a batch again. Raises Unavailable if there are any and the
    trigger takes no partial response: after an error it delivers the whole batch again."""
    if again and not is_partial:
        one = again[0]
        raise Unavailable(
            f"The batch must be delivered again: {one.topic}-{one.partition} from offset {one.offset} on."
        )
    return {
        "batchItemFailures": [
            {"itemIdentifier": {"partition": f"{record.topic}-{record.partition}", "offset": record.offset}}
            for record in again
        ]
    }


def first_of_each_partition(records: Iterable[Record]) -> list[Record]:
    """Those with the lowest offsets: from there on each partition is delivered again."""
    first: dict[tuple[str, int], Record] = {}
    for record in sorted(records, key=lambda record: record.offset):
        first.setdefault((record.topic, record.partition), record)
    return list(first.values())
