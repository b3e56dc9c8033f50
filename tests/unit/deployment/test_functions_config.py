"""The functions' settings that follow from a stack's parameters, and those that `Setup` would refuse."""

import pytest

from checkout.base import secrets_manager
from checkout.base.settings import DECLARED
from deployment import functions_config
from tests.infrastructure import transformed


@pytest.mark.parametrize(
    ("parameters", "audiences"),
    [({}, {"shop"}), ({"JwtAudience": "web,app"}, {"web", "app"}), ({"JwtAudience": "any"}, set())],
)
def test_conditions_are_decided(parameters: dict[str, str], audiences: set[str]) -> None:
    assert functions_config.of(parameters, "shop").jwt_audiences == audiences


def test_every_setting_of_a_function_is_there_with_the_parameters_own_defaults() -> None:
    """Of those that follow from parameters."""
    template = transformed.source()
    functions = transformed.of_type(template, "AWS::Serverless::Function").values()
    variables = [one.get("Environment", {}).get("Variables", {}) for one in functions]
    variables.append(template["Globals"]["Function"]["Environment"]["Variables"])
    given = {
        name: value["Ref"]
        for one in variables
        for name, value in one.items()
        if name in DECLARED and not name.endswith("_ARN")
        if isinstance(value, dict) and value.get("Ref") in template["Parameters"]
    }
    assert {"PRICES", "JWT_USER_CLAIM", "MAX_AMOUNT_CENTS"} <= given.keys()
    for name, parameter in given.items():
        assert functions_config.of({parameter: "other"}, "shop").environment[name] == "other"
        default = template["Parameters"][parameter].get("Default", "shop")
        assert functions_config.of({}, "shop").environment[name] == default


def test_nothing_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a secret of the stack's own nor one that somebody has."""
    monkeypatch.setattr(secrets_manager.SecretsManager, "get", lambda *_: pytest.fail("asked"))
    arns = dict.fromkeys(("SecretArn", "StripeSecretArn", "DatabaseUrlSecretArn", "KafkaSecretArn"), "arn:x")
    assert list(functions_config.refused(arns, "shop")) == []


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"PricesOnly": "true"}, {"PricesOnly", "Prices"}),
        (
            {"StripeSessionOptions": '{"automatic_tax":{"enabled":true}}'},
            {"StripeSessionOptions", "PriceTaxBehavior"},
        ),
        ({"StripeSessionOptions": '{"customer_creation":"always"}'}, {"StripeSessionOptions"}),
        ({"MinAmountCents": "5000", "MaxAmountCents": "1000"}, {"MinAmountCents", "MaxAmountCents"}),
        ({"BalanceCurrency": "huf", "MaxAmountCents": "10000"}, {"MinAmountCents", "MaxAmountCents"}),
        ({"AllowedRedirectOrigins": "https://shop.example.com/back"}, {"AllowedRedirectOrigins"}),
        ({"JwtUserClaim": "/o/~id"}, {"JwtUserClaim"}),
        ({"JwtJwksUrl": "https://id.example.com/keys"}, {"JwtJwksUrl", "JwtIssuer"}),
    ],
)
def test_what_setup_would_refuse_is_named(parameters: dict[str, str], named: set[str]) -> None:
    problem = next(functions_config.refused(parameters, "shop"))
    assert set(problem.split(": ")[0].split(" and ")) == named


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"Profile": "prod", "CheckoutAppId": "other"},
        {"Prices": '[{"amount_cents": 1000, "credit_cents": 1100}]', "PricesOnly": "true"},
        {"AllowedRedirectOrigins": "https://shop.example.com"},
        {"KafkaBootstrap": "b-1.example.com:9092", "KafkaSecretArn": "arn:x"},
        {"DatabaseHost": "db.example.com", "DatabaseMasterSecretArn": "arn:x"},
    ],
)
def test_what_it_takes(parameters: dict[str, str]) -> None:
    assert list(functions_config.refused(parameters, "shop")) == []
