"""A new stack, whose secret has no values of Stripe's yet: it says so, fails nobody's alarm, and needs no
restart once it has them. Then each secret in turn is rotated."""

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import jwt
import pytest
from moto import mock_aws

from checkout.base import secrets_manager, timing
from checkout.base.errors import Unavailable
from tests.support import functions, stripe_events
from tests.support.functions import JWT_SECRET, SERVICE_TOKEN, Functions, bearer, requested
from tests.support.settings import sign_in_to_aws
from tests.support.stripe_events import event, session_object

NEW = {"JWT_SECRET": JWT_SECRET, "CHECKOUT_SERVICE_TOKEN": SERVICE_TOKEN}
GIVEN = {"STRIPE_SECRET": "sk_test_tests", "STRIPE_WEBHOOK_SECRET": stripe_events.WEBHOOK_SECRET}


class Secret:
    """The stack's secrets, and a clock that only they look at."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._client = boto3.client("secretsmanager")
        self.arns = {
            setting: self._client.create_secret(Name=setting, SecretString=json.dumps(values))["ARN"]
            for setting, values in (("SECRET_ARN", NEW), ("STRIPE_SECRET_ARN", {}))
        }
        self._late = 0.0
        clock = SimpleNamespace(time=lambda: time.time() + self._late)
        patch.setattr(secrets_manager, "time", clock)

    def put(self, **values: str) -> None:
        for setting, kept in (("SECRET_ARN", NEW), ("STRIPE_SECRET_ARN", GIVEN)):
            changed = {**kept, **{name: value for name, value in values.items() if name in kept}}
            self._client.put_secret_value(SecretId=self.arns[setting], SecretString=json.dumps(changed))

    def wait(self, seconds: float) -> None:
        self._late += seconds


@pytest.fixture
def secret(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Secret]:
    sign_in_to_aws(monkeypatch)
    fns.set(**dict.fromkeys((*NEW, *GIVEN), ""))
    with mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}):
        made = Secret(monkeypatch)
        fns.set(**made.arns)
        functions.forget_wiring()
        yield made
        functions.forget_wiring()


def paid() -> dict[str, Any]:
    return event(session_object(str(uuid4())))


def test_the_api_says_that_it_is_not_configured(fns: Functions, secret: Secret) -> None:
    for answer in (fns.create({"amount_cents": 500}), fns.webhook(paid())):
        assert answer.status == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["code"] == "not_yet_configured"
        assert "make configure" in answer.json["detail"]
    assert fns.create({"amount_cents": 500}, headers={}).status == 401, "decided before anything else"
    assert fns.checkout("SELECT 1 FROM checkout_transactions") == []


def test_what_needs_no_stripe_works(fns: Functions, secret: Secret) -> None:
    assert fns.get("/checkout/balance").json["balance_cents"] == 0
    assert fns.invoke("outbox_relay", {}) == {"published": 0, "left": 0}
    fns.consume(functions.finished())
    assert fns.balance() == 500


def test_nothing_fails_that_an_alarm_would_count(
    fns: Functions,
    secret: Secret,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fns.create({"amount_cents": 500})
    fns.webhook(paid())
    assert fns.invoke("reconciler", {}) == {"configured": False}
    assert fns.ask(requested(), requested()) == [(0, 0), (0, 1)]

    assert {record.levelname for record in caplog.records} == {"WARNING"}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    measured = [line["OldestUncreditedPayment"] for line in lines if "OldestUncreditedPayment" in line]
    assert measured == [[0.0]], "its silence would be an alarm"


def test_values_are_taken_as_soon_as_they_are_there(fns: Functions, secret: Secret, stripe: Any) -> None:
    assert fns.create({"amount_cents": 500}).status == 503
    secret.put()
    assert fns.create({"amount_cents": 500}).status == 503, "asked a moment ago"
    secret.wait(timing.SECRETS_REFRESH)

    assert fns.create({"amount_cents": 500}).status == 201
    assert fns.webhook(paid()).json["outcome"] == "applied"


@pytest.fixture
def configured(fns: Functions, secret: Secret) -> Secret:
    secret.put()
    assert fns.webhook(paid()).status == 200
    assert fns.get("/checkout/balance").status == 200
    secret.wait(timing.SECRETS_REFRESH)
    return secret


def test_a_webhook_secret_is_rotated_without_a_gap(fns: Functions, configured: Secret) -> None:
    body = stripe_events.encoded(paid())
    configured.put(STRIPE_WEBHOOK_SECRET=f"{stripe_events.WEBHOOK_SECRET},whsec_next")
    assert fns.webhook(body, stripe_events.signature(body, "whsec_next")).status == 200
    assert fns.webhook(body, stripe_events.signature(body)).status == 200

    configured.wait(timing.SECRETS_REFRESH)
    configured.put(STRIPE_WEBHOOK_SECRET="whsec_next")
    assert fns.webhook(body, stripe_events.signature(body, "whsec_after")).status == 400
    assert fns.webhook(body, stripe_events.signature(body)).status == 400, "read again for the one before"
    assert fns.webhook(body, stripe_events.signature(body, "whsec_next")).status == 200


def test_a_service_token_and_the_users_key_are_rotated(fns: Functions, configured: Secret) -> None:
    body = json.dumps({"user_id": 1}).encode()

    def service(token: str) -> int:
        return fns.create(body, {"x-service-token": token}).status

    configured.put(CHECKOUT_SERVICE_TOKEN=f"{SERVICE_TOKEN},next", JWT_SECRET="n" * 32)
    assert service("next") == service(SERVICE_TOKEN) == 400, "taken; the body is not"
    claims = {"sub": "1", "exp": int(time.time()) + 60}
    signed = {"authorization": f"Bearer {jwt.encode(claims, 'n' * 32, 'HS256')}"}
    assert fns.http("account", "GET /checkout/balance", headers=signed).status == 200
    assert fns.http("account", "GET /checkout/balance", headers=bearer(1)).status == 401


def test_a_value_is_at_most_five_minutes_old(fns: Functions, configured: Secret) -> None:
    configured.put(JWT_SECRET="n" * 32)
    assert fns.get("/checkout/balance").status == 200, "good by what was read"
    configured.wait(timing.SECRETS_KEEP)
    assert fns.get("/checkout/balance").status == 401


def test_wrong_signatures_do_not_have_secrets_manager_asked_each_time(
    fns: Functions, configured: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = 0
    read = secrets_manager.SecretsManager._read

    def counted(manager: secrets_manager.SecretsManager) -> None:
        nonlocal reads
        reads += 1
        read(manager)

    monkeypatch.setattr(secrets_manager.SecretsManager, "_read", counted)
    for _ in range(20):
        assert fns.webhook(paid(), "t=1,v1=00").status == 400

    assert reads == 1


def test_secrets_manager_is_not_missed_for_five_minutes_and_then_told(
    fns: Functions, configured: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> Any:
        raise Unavailable("Secrets Manager does not answer.")

    monkeypatch.setattr(secrets_manager.SecretsManager, "_ask", away)
    assert fns.get("/checkout/balance").status == 200

    configured.wait(timing.SECRETS_KEEP)
    answer = fns.webhook(paid())
    assert (answer.status, answer.json["title"]) == (503, "Temporarily unavailable")
    assert fns.get("/checkout/balance").status == 503


def test_what_is_not_valid_is_refused_as_ever_while_secrets_manager_is_away(
    fns: Functions, configured: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    def away(*_: object, **__: object) -> Any:
        nonlocal asked
        asked += 1
        raise Unavailable("Secrets Manager does not answer.")

    monkeypatch.setattr(secrets_manager.SecretsManager, "_ask", away)
    assert [fns.webhook(paid(), "t=1,v1=00").status for _ in range(20)] == [400] * 20
    assert asked == 1

    configured.wait(timing.SECRETS_REFRESH)
    wrong = {"authorization": "Bearer x"}
    assert fns.http("account", "GET /checkout/balance", headers=wrong).status == 401
    assert asked == 2
