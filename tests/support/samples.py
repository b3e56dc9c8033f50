"""The expected answers to the files of events/."""

import json
from pathlib import Path
from typing import Any

from tests.contracts import conformance

EVENTS = Path(__file__).parents[2] / "events"

# In a reader's order: the account's samples read the rows of the webhook's.
ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "create_session/user": (201, {}),
    "create_session/service": (201, {}),
    "create_session/amount_too_small": (400, {"title": "Invalid request"}),
    "stripe_webhook/paid": (200, {"outcome": "applied"}),
    "stripe_webhook/unpaid": (200, {"outcome": "applied"}),
    "stripe_webhook/async_succeeded": (200, {"outcome": "applied"}),
    "stripe_webhook/async_failed": (200, {"outcome": "applied"}),
    "stripe_webhook/expired": (200, {"outcome": "applied"}),
    "stripe_webhook/foreign": (200, {"outcome": "ignored"}),
    "account/session": (200, {"status": "payment_succeeded", "amount_cents": 500}),
    "account/transactions": (200, {"next_cursor": None}),
    "account/balance": (200, {"user_id": 1, "currency": "eur"}),
    "account/health": (200, {"status": "ok"}),
    "web/page": (200, {}),
    "web/asset": (200, {}),
    "web/config": (200, {"currency": "eur"}),
    "web/openapi": (200, {"openapi": "3.1.1"}),
}
"""For events of HTTP: the status, and a part of the JSON."""

RESULTS: dict[str, set[str]] = {
    "migrate/empty": {"applied"},
    "checkout_finished_consumer/success": {"batchItemFailures"},
    "checkout_finished_consumer/mixed": {"batchItemFailures"},
    "checkout_requests_consumer/session": {"batchItemFailures"},
    "checkout_requests_consumer/mixed": {"batchItemFailures"},
    "outbox_relay/schedule": {"published", "left"},
    "reconciler/schedule": {"emitted"},
    "operations/verify": {"clean", "result"},
    "operations/parked_list": {"clean", "result"},
}
"""For other events: keys of the result."""


def event(sample: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EVENTS / f"{sample}.json").read_text())
    return content


def check(sample: str, result: Any) -> None:
    """Assert that a function's result is the expected one for this sample."""
    if sample in RESULTS:
        assert result.keys() >= RESULTS[sample], result
        return
    conformance.check_answer(event(sample)["routeKey"], result)
    status, content = ANSWERS[sample]
    assert result["statusCode"] == status, result
    if result["headers"]["content-type"].endswith("json"):
        answered = json.loads(result["body"])
        assert answered == {**answered, **content}
