"""The state of deliveries: what is due, and the outcomes of attempts."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from stripe_simulator.resources.events import with_pending_webhooks
from stripe_simulator.storage.transaction import Transaction


@dataclass(frozen=True)
class Delivery:
    """One event that is due at one endpoint, with the body to send now."""

    seq: int
    endpoint_id: str
    event_id: str
    event_type: str
    url: str
    secret: str
    body: bytes
    request_id: str | None


def due(
    transaction: Transaction, limit: int, under_way: Collection[int] = (), busy: Collection[str] = ()
) -> tuple[list[Delivery], float | None]:
    """The deliveries to attempt now, and the time of the next one (unix seconds), or None.

    Those `under_way` are left out, and those to `busy` endpoints. Deliveries to an endpoint that was disabled
    or deleted meanwhile are given up, as Stripe does.
    """
    _give_up_unreachable(transaction)
    waiting = (
        "FROM deliveries WHERE state = 'pending' AND seq NOT IN (SELECT value FROM json_each(?))"
        " AND endpoint_id NOT IN (SELECT value FROM json_each(?))"
    )
    skipped = json.dumps(list(busy))
    rows = transaction.execute(
        f"SELECT seq, event_id, endpoint_id {waiting} AND due_at <= ? ORDER BY due_at, seq LIMIT ?",
        json.dumps(list(under_way)),
        skipped,
        transaction.time,
        limit,
    ).fetchall()
    taken = json.dumps([*under_way, *(row[0] for row in rows)])
    next_at: float | None = transaction.execute(f"SELECT min(due_at) {waiting}", taken, skipped).fetchone()[0]
    return [_delivery(transaction, *row) for row in rows], next_at


def record_success(transaction: Transaction, seq: int) -> None:
    transaction.execute(
        "UPDATE deliveries SET state = 'succeeded', attempts = attempts + 1 WHERE seq = ?", seq
    )


def record_failure(transaction: Transaction, seq: int) -> float | None:
    """Schedule the next attempt and return the seconds until then, or None if this was the last."""
    settings = transaction.settings
    attempts, created_at = transaction.execute(
        "SELECT attempts + 1, created_at FROM deliveries WHERE seq = ?", seq
    ).fetchone()
    if transaction.time - created_at > settings.retry_for_seconds:
        transaction.execute(
            "UPDATE deliveries SET state = 'failed', attempts = ? WHERE seq = ?", attempts, seq
        )
        return None
    wait: float = min(settings.retry_base_seconds * 2 ** min(attempts - 1, 30), settings.retry_cap_seconds)
    transaction.execute(
        "UPDATE deliveries SET attempts = ?, due_at = ? WHERE seq = ?", attempts, transaction.time + wait, seq
    )
    return wait


def answered(transaction: Transaction, event_ids: list[str]) -> bool:
    """Return True if every endpoint has answered each of these events, or never will."""
    unanswered: int = transaction.execute(
        "SELECT count(*) FROM deliveries WHERE state = 'pending' AND attempts = 0"
        " AND event_id IN (SELECT value FROM json_each(?))",
        json.dumps(event_ids),
    ).fetchone()[0]
    return unanswered == 0


def _give_up_unreachable(transaction: Transaction) -> None:
    transaction.execute(
        "UPDATE deliveries SET state = 'failed' WHERE state = 'pending' AND due_at <= ?"
        " AND endpoint_id NOT IN (SELECT id FROM objects"
        " WHERE kind = 'webhook_endpoint' AND json_extract(body, '$.status') = 'enabled')",
        transaction.time,
    )


def _delivery(transaction: Transaction, seq: int, event_id: str, endpoint_id: str) -> Delivery:
    endpoint = transaction.get("webhook_endpoint", endpoint_id)
    event = with_pending_webhooks(transaction, [transaction.get("event", event_id)])[0]
    if endpoint["api_version"]:
        event["api_version"] = endpoint["api_version"]
    return Delivery(
        seq=seq,
        endpoint_id=endpoint_id,
        event_id=event_id,
        event_type=event["type"],
        url=endpoint["url"],
        secret=transaction.private(endpoint_id)["secret"],
        body=json.dumps(event, indent=2, ensure_ascii=False).encode(),
        request_id=(event["data"]["object"].get("metadata") or {}).get("request_id"),
    )
