"""SQL of operator_requests: what waits for a second operator, and what became of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkout.base.postgres import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`operator` is the name that was given with it; `requested_by` and `approved_by` who they are."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    operator: str
    plan: str
    requested_by: str
    requested_at: datetime
    approved_by: str | None
    done_at: datetime | None
    is_expired: bool


_COLUMNS = (
    "id, verb, arguments, operator, plan, requested_by, requested_at, approved_by, done_at,"
    " expires_at <= clock_timestamp() AS is_expired"
)


def add(
    tx: Transaction,
    request_id: str,
    verb: str,
    arguments: Mapping[str, object],
    *,
    operator: str,
    plan: str,
    requested_by: str,
    hours: int,
) -> None:
    tx.execute(
        "INSERT INTO operator_requests (id, verb, arguments, operator, plan, requested_by, expires_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(hours => %s))",
        (request_id, verb, json.dumps(arguments), operator, plan, requested_by, hours),
    )


def find(tx: Transaction, request_id: str) -> Request | None:
    tx.execute(f"SELECT {_COLUMNS} FROM operator_requests WHERE id = %s", (request_id,))
    row = tx.fetchone()
    return None if row is None else Request(**row)


def undone(tx: Transaction) -> list[dict[str, Any]]:
    """What can still be approved or carried out, oldest first."""
    tx.execute(
        "SELECT id, plan, requested_by, requested_at, expires_at, approved_by FROM operator_requests"
        " WHERE done_at IS NULL AND expires_at > clock_timestamp() ORDER BY requested_at, id"
    )
    return tx.fetchall()


def approve(tx: Transaction, request_id: str, approved_by: str) -> None:
    """The first approval stays."""
    tx.execute(
        "UPDATE operator_requests SET approved_by = %s, approved_at = clock_timestamp()"
        " WHERE id = %s AND approved_by IS NULL",
        (approved_by, request_id),
    )


def done(tx: Transaction, request_id: str) -> None:
    tx.execute(
        "UPDATE operator_requests SET done_at = clock_timestamp() WHERE id = %s AND done_at IS NULL",
        (request_id,),
    )
