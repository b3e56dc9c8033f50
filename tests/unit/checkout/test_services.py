"""SERVICES: who may call, and what of it is refused at start."""

import json
from typing import Any

import pytest

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.secrets_manager import SecretsManager
from checkout.base.services import Service, services

TOKEN = "a-token-of-the-tests-1"
SHOP = {"tokens": [TOKEN], "scopes": ["sessions", "balances:spend"]}


def test_a_service_has_its_tokens_and_scopes() -> None:
    assert services(
        json.dumps({"shop": SHOP, "a-1": {"tokens": [TOKEN + "2", TOKEN + "3"], "scopes": []}})
    ) == (
        Service("shop", (TOKEN,), frozenset({"sessions", "balances:spend"})),
        Service("a-1", (TOKEN + "2", TOKEN + "3"), frozenset()),
    )
    assert services("{}") == ()


def test_it_may_be_longer_than_a_variable_of_lambda_s() -> None:
    """It is a secret: on AWS it is in Secrets Manager, and not in a function's 4 KB."""
    many = {f"service-{n}": {"tokens": [f"{n:064}", f"{n + 100:064}"], "scopes": []} for n in range(20)}
    assert len(json.dumps(many)) > 1_500
    assert len(services(json.dumps(many))) == 20


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[]", "not a JSON object"),
        ("shop:sessions:token", "not valid JSON"),
        ('{"shop": {}, "shop": {}}', "same key twice"),
        ({"Shop": SHOP}, "a name that is not"),
        ({"s" * 41: SHOP}, "a name that is not"),
        ({"": SHOP}, "a name that is not"),
        ({"shop": [TOKEN]}, "for shop, and nothing else"),
        ({"shop": {"tokens": [TOKEN]}}, "for shop, and nothing else"),
        ({"shop": {**SHOP, "scope": "sessions"}}, "for shop, and nothing else"),
        ({"shop": {**SHOP, "tokens": []}}, "needs tokens for shop"),
        ({"shop": {**SHOP, "tokens": TOKEN}}, "needs tokens for shop"),
        ({"shop": {**SHOP, "tokens": ["x" * 19]}}, "needs tokens for shop"),
        ({"shop": {**SHOP, "tokens": ["x" * 19 + " y"]}}, "needs tokens for shop"),
        ({"shop": {**SHOP, "tokens": ["\u00e9" * 20]}}, "needs tokens for shop"),
        ({"shop": {**SHOP, "tokens": [7]}}, "needs tokens for shop"),
        ({"shop": {**SHOP, "scopes": ["session"]}}, "a scope for shop that is none of sessions"),
        ({"shop": {**SHOP, "scopes": "sessions"}}, "a scope for shop that is none of sessions"),
        ({"shop": {**SHOP, "scopes": [[]]}}, "a scope for shop that is none of sessions"),
        ({"shop": {**SHOP, "tokens": [TOKEN, TOKEN]}}, "the same token twice"),
        ({"shop": SHOP, "other": SHOP}, "the same token twice"),
    ],
)
def test_what_could_let_in_somebody_else_is_refused_at_start(content: Any, named: str) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(ConfigurationError, match=f"SERVICES .*{named}") as raised:
        Config({"SERVICES": text}).check()
    assert TOKEN not in raised.value.detail


def test_a_token_of_the_unnamed_service_is_nobody_else_s() -> None:
    with pytest.raises(
        ConfigurationError, match="SERVICES and CHECKOUT_SERVICE_TOKEN has the same token twice"
    ):
        Config(
            {"SERVICES": json.dumps({"shop": SHOP}), "CHECKOUT_SERVICE_TOKEN": f"{'x' * 20}, {TOKEN}"}
        ).check()


def test_the_unnamed_service_may_do_what_it_could_before() -> None:
    [unnamed] = Config({"CHECKOUT_SERVICE_TOKEN": f"{TOKEN}, {TOKEN}"}).services()
    assert unnamed == Service(None, (TOKEN,), frozenset({"sessions"}))
    assert unnamed.label == "service"


def test_in_secrets_manager_it_can_be_written_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"SERVICES": {"shop": SHOP}, "CHECKOUT_SERVICE_TOKEN": "x" * 20}
    monkeypatch.setattr(SecretsManager, "_ask", lambda *_, **__: {"SecretString": json.dumps(kept)})
    assert [one.name for one in Config({"SECRET_ARN": "arn"}).services()] == [None, "shop"]
