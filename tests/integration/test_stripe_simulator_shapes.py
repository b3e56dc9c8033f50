"""Every object has the keys of Stripe's own example of its kind, with values of a compatible type."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.stripe_simulator import Simulator, WebhookEndpoint
from tests.support.waiting import eventually

EXAMPLES = Path(__file__).resolve().parents[2] / "../shared/stripe/resources.json"


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    if not EXAMPLES.exists():
        pytest.skip(f"Stripe's example objects are not at {EXAMPLES}")
    loaded: dict[str, Any] = json.loads(EXAMPLES.read_text())
    return loaded


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """Objects of the API and of webhooks after one of everything has happened."""
    with WebhookEndpoint() as endpoint:
        options = {"dispute_seconds": 0.05, "refund_seconds": 0.05, "debit_seconds": 0.05}
        simulator = Simulator(
            tmp_path_factory.mktemp("stripe"), endpoint_url=endpoint.url, endpoint_secret="whsec_x", **options
        )
        with simulator:
            yield [*_happened(simulator), *(one.event for one in endpoint.received)]


def _happened(simulator: Simulator) -> list[dict[str, Any]]:
    client = simulator.client.v1
    sessions = [simulator.create_session() for _ in range(5)]
    client.checkout.sessions.expire(sessions[0].id)
    simulator.pay(sessions[1], "4000000000000002")
    simulator.pay(sessions[2], "4000000000005126")
    simulator.pay(sessions[3], "4000000000000259")
    simulator.pay(sessions[4], payment_method="bank_debit_succeeds")
    refundable = client.checkout.sessions.retrieve(sessions[2].id).payment_intent
    client.refunds.create({"payment_intent": str(refundable)})
    wanted = {"refund.failed", "charge.dispute.funds_withdrawn", "checkout.session.async_payment_succeeded"}
    eventually(
        lambda: wanted <= {event.type for event in client.events.list({"limit": 100}).data},
        10,
        lambda: wanted,
    )
    client.webhook_endpoints.create({"url": "http://127.0.0.1:1/x", "enabled_events": ["charge.failed"]})
    lists = (
        "checkout/sessions", "payment_intents", "charges", "refunds", "disputes", "balance_transactions",
        "events", "webhook_endpoints", f"checkout/sessions/{sessions[0].id}/line_items",
    )  # fmt: skip
    found = [one for path in lists for one in _get(simulator, f"{path}?limit=100")["data"]]
    methods = {one["payment_method"] for one in found if one["object"] == "charge"}
    return found + [_get(simulator, f"payment_methods/{method}") for method in methods]


def _get(simulator: Simulator, path: str) -> Any:
    """The raw answer, without the client."""
    return requests.get(f"{simulator.url}/v1/{path}", auth=("sk_test_x", ""), timeout=10).json()


KINDS = (
    "balance_transaction", "charge", "checkout.session", "dispute", "event", "item", "payment_intent",
    "payment_method", "refund", "webhook_endpoint",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_objects_have_the_keys_and_types_of_the_example(
    kind: str, examples: dict[str, Any], objects: list[dict[str, Any]]
) -> None:
    embedded = [one["data"]["object"] for one in objects if one["object"] == "event"]
    of_kind = [one for one in [*objects, *embedded] if one["object"] == kind]
    assert of_kind
    example = dict(examples[kind])
    if kind == "event":
        example["data"] = {"object": {}}
    for one in of_kind:
        if kind in ("charge", "refund", "payment_method"):
            example = _of_method(examples[kind], one)
        assert list(_differences(example, one, kind)) == []


def _of_method(example: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """The example pays by card: what another method has instead is left out of the comparison."""
    if "card" in json.dumps(
        [one.get("type"), one.get("payment_method_details"), one.get("destination_details")]
    ):
        return example
    polymorphic = ("card", "payment_method_details", "destination_details")
    return {name: value for name, value in example.items() if name not in polymorphic}


def _differences(example: Any, ours: Any, path: str) -> Iterator[str]:
    if example is None or ours is None or path.endswith(".metadata"):
        return
    if type(example) is not type(ours):
        yield f"{path}: {type(ours).__name__} instead of {type(example).__name__}"
    elif isinstance(example, dict):
        for key, value in example.items():
            if key not in ours:
                yield f"{path}.{key} is missing"
            else:
                yield from _differences(value, ours[key], f"{path}.{key}")
    elif isinstance(example, list) and example:
        for element in ours:
            yield from _differences(example[0], element, f"{path}[]")
