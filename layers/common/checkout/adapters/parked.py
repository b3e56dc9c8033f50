"""SQL of parked_events as an operator needs it: find, read, decide. A row is never deleted."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from checkout.adapters.postgres import Cursor

Resolution = Literal["replayed", "discarded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRecord:
    """A row. What could not be read from the bytes is null; `amount_cents` is signed."""

    id: int
    topic: str
    partition: int
    kafka_offset: int
    key: bytes | None
    value: bytes
    reason: str
    effect_key: str | None
    request_id: str | None
    user_id: int | None
    amount_cents: int | None
    currency: str | None
    created_at: datetime
    resolution: Resolution | None
    resolution_reason: str | None
    operator: str | None
    resolved_at: datetime | None
    erased_at: datetime | None


_COLUMNS = ", ".join(ParkedRecord.__slots__)


def _records(cursor: Cursor) -> list[ParkedRecord]:
    return [
        ParkedRecord(
            **{**row, "value": bytes(row["value"]), "key": None if row["key"] is None else bytes(row["key"])}
        )
        for row in cast(list[dict[str, Any]], cursor.fetchall())
    ]


def page(cursor: Cursor, *, after_id: int, limit: int, resolved: bool) -> list[ParkedRecord]:
    """In the order in which they were parked; those that were resolved only where wanted."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM parked_events WHERE id > %s AND (%s OR resolution IS NULL)"
        " ORDER BY id LIMIT %s",
        (after_id, resolved, limit),
    )
    return _records(cursor)


def find(cursor: Cursor, record_id: int) -> ParkedRecord | None:
    cursor.execute(f"SELECT {_COLUMNS} FROM parked_events WHERE id = %s", (record_id,))
    return next(iter(_records(cursor)), None)


def lock(cursor: Cursor, record_id: int, request_id: str | None) -> list[ParkedRecord]:
    """The record and all others of its request, credit before reversals; held until the transaction ends."""
    cursor.execute(
        f"SELECT {_COLUMNS} FROM parked_events WHERE id = %s OR request_id = %s"
        " ORDER BY effect_key IS DISTINCT FROM 'success:' || request_id, id FOR UPDATE",
        (record_id, request_id),
    )
    return _records(cursor)


def resolve(
    cursor: Cursor, ids: Collection[int], resolution: Resolution, reason: str | None, operator: str | None
) -> None:
    cursor.execute(
        "UPDATE parked_events SET resolution = %s, resolution_reason = %s, operator = %s, resolved_at = now()"
        " WHERE id = ANY(%s)",
        (resolution, reason, operator, list(ids)),
    )
