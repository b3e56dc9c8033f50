"""What is imported after Lambda's init phase, by the first event of each function: nothing.

Each function runs in a process of its own, with PostgreSQL, Kafka and Stripe to reach, and signs in as on
AWS: its secrets are read from Secrets Manager.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from checkout.outbox.record import Record
from examples import identity_provider
from tests.support import fake_aws, lambda_events, samples, stripe_events
from tests.support.functions import JWT_SECRET, SERVICE_TOKEN, Functions, bearer, finished, requested
from tests.support.stripe_simulator import Simulator

ROOT = Path(__file__).parents[2]
SECRETS = {
    "JWT_SECRET": JWT_SECRET,
    "CHECKOUT_SERVICE_TOKEN": SERVICE_TOKEN,
    "STRIPE_SECRET": "sk_test_tests",
    "STRIPE_WEBHOOK_SECRET": stripe_events.WEBHOOK_SECRET,
}

OBSERVED = """
import json, sys
sys.path.insert(0, sys.argv[2])
from tests.support.lambda_events import LambdaContext
del sys.path[0]
event, context = json.loads(sys.argv[1]), LambdaContext(remaining_millis=300_000)
import app
before = set(sys.modules)
answer = app.handler(event, context)
print(json.dumps({"answer": answer, "imported": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A Stripe where other tests have left nothing to read: to decode an object imports its class."""
    with Simulator(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """The environment of a function on AWS."""
    with fake_aws.serving(SECRETS) as port:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:checkout",
            "STRIPE_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:stripe",
        }


def http(route: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    headers = {"content-type": "application/json", **bearer()}
    return lambda_events.http(route, None if body is None else json.dumps(body).encode(), headers)


def webhook(event: dict[str, Any]) -> dict[str, Any]:
    body = stripe_events.encoded(event)
    headers = {"stripe-signature": stripe_events.signature(body)}
    return lambda_events.http("POST /webhooks/stripe", body, headers)


def records(topic: str, event: dict[str, Any]) -> dict[str, Any]:
    return lambda_events.msk([Record(topic, 0, 0, b"1", json.dumps(event).encode())])


FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
EVENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "account": lambda: http("GET /checkout/balance"),
    "create_session": lambda: http("POST /checkout/sessions", {"amount_cents": 500}),
    "checkout_finished_consumer": lambda: records("checkout.finished", finished()),
    "checkout_requests_consumer": lambda: records("checkout.requests", requested(success_url="https://x")),
    "pre_traffic": lambda: {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"},
}
"""Where the samples of events/ need a running stack, or there is none."""


def first_event(function: str) -> dict[str, Any]:
    if function in EVENTS:
        return EVENTS[function]()
    return samples.event(
        min(f"{function}/{path.stem}" for path in (samples.EVENTS / function).glob("*.json"))
    )


@pytest.mark.parametrize("function", ["account", "create_session"])
@pytest.mark.parametrize("address", ["configuration_url", "keys_url"])
def test_nor_does_the_first_token_of_an_identity_provider(
    fns: Functions, stripe: Simulator, aws: dict[str, str], function: str, address: str
) -> None:
    with identity_provider.serving() as provider:
        provider.add_key("one")
        event = first_event(function)
        token = provider.token("one", {"sub": "1", "client_id": "shop"})
        event = {**event, "headers": {**event["headers"], "authorization": f"Bearer {token}"}}
        settings = {
            **{name: value for name, value in fns.settings.items() if name not in SECRETS},
            **{"JWT_JWKS_URL": getattr(provider, address), "JWT_ISSUER": provider.issuer},
            "JWT_AUDIENCE": "shop",
            **aws,
        }

        seen = observed(function, event, settings)

        assert seen["answer"]["statusCode"] in (200, 201), seen
        assert seen["imported"] == []
        assert provider.asked, "and nothing was fetched at import"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_first_event_imports_nothing(
    fns: Functions, stripe: Simulator, aws: dict[str, str], function: str
) -> None:
    event = first_event(function)
    if function == "stripe_webhook":
        request_id = fns.create({"amount_cents": 500}).json["request_id"]
        session = fns.row(request_id)["stripe_session_id"]
        resource = stripe_events.session_object(request_id, session_id=session)
        event = webhook(stripe_events.event(resource, is_known=False))
    if function == "outbox_relay":
        fns.checkout(
            "INSERT INTO outbox (effect_key, topic, key, value, created_at)"
            " VALUES (%s, 'checkout.finished', '1', '{}', now() - interval '1 hour')",
            (str(uuid4()),),
        )
    given = {name: value for name, value in fns.settings.items() if name not in SECRETS}

    seen = observed(function, event, {**given, **aws})

    assert seen["imported"] == [], seen


def observed(function: str, event: dict[str, Any], settings: dict[str, str]) -> dict[str, Any]:
    """The answer to a first event in a fresh process, and what was imported meanwhile."""
    paths = [ROOT / "functions" / function, ROOT / "layers" / "common"]
    done = subprocess.run(
        [sys.executable, "-c", OBSERVED, json.dumps(event), str(ROOT)],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "NEW_VERSIONS": "arn:aws:lambda:eu-central-1:123456789012:function:one:7",
            **settings,
        },
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
