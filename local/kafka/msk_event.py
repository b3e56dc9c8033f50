"""The event that a function gets from Lambda's Kafka trigger, and the meaning of its answer."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_TIMESTAMP_TYPES = {1: "CREATE_TIME", 2: "LOG_APPEND_TIME"}
_OVERHEAD = 300
"""Bytes of JSON around one record, rounded up."""


@dataclass(frozen=True)
class Record:
    """One record as it was read; `timestamp_type` is Kafka's number."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def size(self) -> int:
        """Bytes in the event, rounded up."""
        content = len(self.key or b"") + len(self.value or b"")
        headers = sum(len(name) + 6 * len(value or b"") + 8 for name, value in self.headers)
        return content * 4 // 3 + headers + len(self.topic) + _OVERHEAD


def event_of(records: Iterable[Record], source_arn: str, brokers: str) -> dict[str, Any]:
    """The event, with the records by `topic-partition` in the given order; a null key is absent."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        grouped.setdefault(f"{record.topic}-{record.partition}", []).append(_entry(record))
    return {
        "eventSource": "aws:kafka",
        "eventSourceArn": source_arn,
        "bootstrapServers": brokers,
        "records": grouped,
    }


def _entry(record: Record) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": _TIMESTAMP_TYPES.get(record.timestamp_type, "NO_TIMESTAMP_TYPE"),
        "headers": [{name: _signed(value or b"")} for name, value in record.headers],
    }
    if record.key is not None:
        entry["key"] = base64.b64encode(record.key).decode()
    if record.value is not None:
        entry["value"] = base64.b64encode(record.value).decode()
    return entry


def _signed(value: bytes) -> list[int]:
    # Java's bytes, since the poller is a JVM.
    return [byte - 256 if byte > 127 else byte for byte in value]


def to_repeat(records: Sequence[Record], answer: object) -> list[Record]:
    """The records that a partial response asks for again, or all if it cannot be understood.

    An identifier stands for its record and for all later ones of that partition in the batch.
    """
    if answer is None:
        return []
    if not isinstance(answer, dict):
        return list(records)
    failures = answer.get("batchItemFailures") or []
    known = {(f"{record.topic}-{record.partition}", record.offset) for record in records}
    first: dict[str, int] = {}
    try:
        for failure in failures:
            identifier = failure["itemIdentifier"]
            partition, offset = identifier["partition"], identifier["offset"]
            if (partition, offset) not in known:
                return list(records)
            first[partition] = min(offset, first.get(partition, offset))
    except (TypeError, KeyError, AttributeError):
        return list(records)
    return [
        record
        for record in records
        if record.offset >= first.get(f"{record.topic}-{record.partition}", record.offset + 1)
    ]
