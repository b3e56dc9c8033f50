"""Events: the record of everything that happens, and the endpoints that must get it."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from stripe_simulator.ids import new_id
from stripe_simulator.storage.transaction import Json, Transaction
from stripe_simulator.webhooks.spoiling import Mode


def emit(
    transaction: Transaction, kind: str, body: Json, previous: Mapping[str, Any] | None = None
) -> list[str]:
    """Record an event of an object as it is now, and return the ids of the event(s).

    `previous` has the former values of changed fields, for events with `previous_attributes`.
    """
    data: Json = {"object": body}
    if previous is not None:
        data["previous_attributes"] = dict(previous)
    made: list[str] = []
    for _ in range(transaction.environment.spoiler.events_per_fact):
        event: Json = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": transaction.origin.api_version,
            "created": transaction.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": {
                "id": transaction.origin.request_id or None,
                "idempotency_key": transaction.origin.idempotency_key,
            },
            "type": kind,
        }
        transaction.insert(event)
        _enqueue(transaction, event)
        transaction.emitted += 1
        made.append(event["id"])
    return made


def with_pending_webhooks(transaction: Transaction, events: list[Json]) -> list[Json]:
    """The events, each with the number of endpoints that have not answered it with a 2xx yet."""
    rows = transaction.execute(
        "SELECT event_id, count(DISTINCT endpoint_id) FROM deliveries WHERE state <> 'succeeded'"
        " AND event_id IN (SELECT value FROM json_each(?)) GROUP BY event_id",
        json.dumps([event["id"] for event in events]),
    )
    pending = dict(rows.fetchall())
    return [{**event, "pending_webhooks": pending.get(event["id"], 0)} for event in events]


def listens(endpoint: Json, kind: str) -> bool:
    """Return True if an endpoint wants an event type: Stripe knows its name and `*`."""
    wanted: Iterable[str] = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and any(name in ("*", kind) for name in wanted)


def _enqueue(transaction: Transaction, event: Json) -> None:
    spoiler = transaction.environment.spoiler
    state = "failed" if spoiler.mode is Mode.DROP else "pending"
    due_at = spoiler.due_at(transaction.time, transaction.emitted)
    for endpoint in transaction.all("webhook_endpoint"):
        if not listens(endpoint, event["type"]):
            continue
        for _ in range(spoiler.deliveries_per_event):
            transaction.execute(
                "INSERT INTO deliveries (event_id, endpoint_id, state, created_at, due_at)"
                " VALUES (?, ?, ?, ?, ?)",
                event["id"],
                endpoint["id"],
                state,
                transaction.time,
                due_at,
            )
            transaction.scheduled = True
    if spoiler.mode is Mode.DROP:
        transaction.say(f"webhook not sent {event['type']} {event['id']}")
