"""The event with which Lambda hands over records of Kafka."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One record; `value` is empty for a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes


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
