"""Each function gets the values of those secrets that it may read on AWS, and no others."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from checkout.base.settings import SECRETS
from local.lambda_runtime import template
from local.lambda_runtime.functions import environment
from local.sam import command

ROOT = Path(__file__).parents[3]
TEMPLATE = template.load(ROOT / "template.yaml")
VALUES = {secret.name: f"value of {secret.name}" for secret in SECRETS}

JWT = {"JWT_SECRET", "JWT_SECRET_PREVIOUS", "JWT_SECRET_PREVIOUS_UNTIL", "CHECKOUT_SERVICE_TOKEN", "SERVICES"}
STRIPE = {"STRIPE_SECRET", "STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL"}
DATABASE = {"DATABASE_URL"}
READS: dict[str, set[str]] = {
    "account": JWT | DATABASE,
    "checkout_finished_consumer": DATABASE,
    "checkout_requests_consumer": STRIPE | DATABASE,
    "create_session": JWT | STRIPE | DATABASE,
    "migrate": JWT | STRIPE | DATABASE,
    "operations": STRIPE | DATABASE,
    "outbox_relay": set(),
    "pre_traffic": set(),
    "reconciler": STRIPE | DATABASE,
    "stripe_webhook": STRIPE,
    "web": set(),
}
COMMON = {"CHECKOUT_DATABASE_URL"}
"""Without a password on AWS."""


def secrets_in(variables: Mapping[str, str]) -> set[str]:
    return {name for name in JWT | STRIPE | DATABASE | COMMON if variables.get(name)}


def test_every_function_is_listed() -> None:
    assert READS.keys() == TEMPLATE.functions.keys()


@pytest.mark.parametrize("function", READS)
def test_in_processes(function: str) -> None:
    seen = environment(TEMPLATE.functions[function], {**VALUES, "BALANCE_CURRENCY": "usd"})
    assert secrets_in(seen) == READS[function] | COMMON
    assert seen["BALANCE_CURRENCY"] == "usd"


@pytest.mark.parametrize("function", READS)
def test_in_containers(function: str) -> None:
    written = command.variables_of(TEMPLATE, VALUES)
    # As `sam` has it: those of the function win over those of all.
    seen = {**written["Parameters"], **written[TEMPLATE.functions[function].logical_id]}
    assert secrets_in(seen) == READS[function] | COMMON
    assert not any(seen[name] for name in ("SECRET_ARN", "STRIPE_SECRET_ARN", "DATABASE_SECRET_ARN"))
