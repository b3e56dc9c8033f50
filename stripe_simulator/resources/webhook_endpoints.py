"""Webhook endpoints: the receivers of events, and the secrets that sign them."""

from typing import Any

from stripe_simulator.ids import new_id, random_text
from stripe_simulator.resources.metadata import initial, merged
from stripe_simulator.storage.transaction import Json, Transaction


def create(
    transaction: Transaction,
    *,
    url: str,
    enabled_events: list[str],
    api_version: str | None = None,
    description: str | None = None,
    metadata: dict[str, str] | None = None,
    secret: str | None = None,
    own: bool = False,
) -> Json:
    """Add an endpoint. Only this answer has its `secret`. `own` marks the stack's."""
    secret = secret or f"whsec_{random_text(32)}"
    endpoint = {
        "id": new_id("we"),
        "object": "webhook_endpoint",
        "api_version": api_version,
        "application": None,
        "created": transaction.now,
        "description": description,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": initial(metadata),
        "status": "enabled",
        "url": url,
    }
    transaction.insert(endpoint, {"secret": secret, "own": own})
    transaction.say(f"webhook endpoint {endpoint['id']} {url}")
    return {**endpoint, "secret": secret}


def register_own(transaction: Transaction, url: str, secret: str) -> None:
    """Create the stack's endpoint, or give the one of an earlier run this URL and secret.

    A disabled one stays disabled. Events that it has not answered yet are sent to the new URL.
    """
    for endpoint in transaction.all("webhook_endpoint"):
        private = transaction.private(endpoint["id"])
        if private["own"]:
            transaction.update({**endpoint, "url": url})
            transaction.remember(endpoint["id"], {**private, "secret": secret})
            return
    create(transaction, url=url, enabled_events=["*"], secret=secret, own=True)


def update(transaction: Transaction, endpoint: Json, changes: dict[str, Any]) -> Json:
    """Apply those of `url`, `enabled_events`, `description`, `metadata` and `disabled` that are given."""
    replaced: Json = {
        name: changes[name] for name in ("url", "enabled_events", "description") if name in changes
    }
    changed = {**endpoint, **replaced}
    if "metadata" in changes:
        changed["metadata"] = merged(endpoint["metadata"], changes["metadata"])
    if "disabled" in changes:
        changed["status"] = "disabled" if changes["disabled"] else "enabled"
    transaction.update(changed)
    transaction.say(f"webhook endpoint {endpoint['id']} {changed['status']} {changed['url']}")
    return changed


def delete(transaction: Transaction, endpoint: Json) -> Json:
    transaction.delete(endpoint["id"])
    transaction.say(f"webhook endpoint {endpoint['id']} deleted")
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}
