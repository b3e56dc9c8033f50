"""Each role allows what its function asks for, and nothing else."""

import copy
from functools import cache

import pytest

from tests.infrastructure import permissions, whole
from tests.infrastructure.permissions import Call, asked_by_lambda, denied, granted, unused
from tests.infrastructure.transformed import Resource

SOURCE = whole.source()
PARAMETERS = {"KafkaBrokerType": "standard", "CheckoutAppId": "checkout", "TopicPrefix": "staging."}
FUNCTIONS = sorted(
    name for name, one in SOURCE.application["Resources"].items() if one["Type"] == "AWS::Lambda::Function"
)


@cache
def resources(profile: str) -> dict[str, Resource]:
    return whole.resources(SOURCE, PARAMETERS | {"Profile": profile}, permissions.name)


@cache
def asked(profile: str, function: str) -> frozenset[Call]:
    """By its code and by Lambda."""
    found = resources(profile)
    return frozenset(permissions.asked(found, function) | asked_by_lambda(found, function))


def role(profile: str, function: str) -> Resource:
    return resources(profile)[f"{function.removesuffix('Function')}Role"]


@pytest.mark.parametrize("profile", ["dev", "prod"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_exactly_what_its_function_asks_for(profile: str, function: str) -> None:
    calls, grants = asked(profile, function), granted(role(profile, function))

    assert denied(calls, grants) == set()
    assert unused(calls, grants) == set()


# That it bites


def test_a_missing_permission_is_noticed() -> None:
    calls, function = asked("prod", "StripeWebhookFunction"), role("prod", "StripeWebhookFunction")
    grants = {one for one in granted(function) if one.action != "rds-db:connect"}

    [call] = denied(calls, grants)
    assert call.resource.endswith(":dbuser:prx-abc/checkout_stripe_webhook")


def test_a_permission_on_something_else_is_noticed() -> None:
    function = copy.deepcopy(role("prod", "StripeWebhookFunction"))
    for statement in permissions.statements(function):
        if "kafka-cluster:WriteData" in statement["Action"]:
            statement["Resource"] = statement["Resource"].replace("checkout.finished", "checkout.requests")

    assert {call.action for call in denied(asked("prod", "StripeWebhookFunction"), granted(function))} == {
        "kafka-cluster:DescribeTopic",
        "kafka-cluster:WriteData",
    }


def test_a_permission_that_nobody_needs_is_noticed() -> None:
    grants = granted(role("prod", "WebFunction")) | {Call("secretsmanager:GetSecretValue", "arn:aws:any")}

    assert unused(asked("prod", "WebFunction"), grants) == {
        Call("secretsmanager:GetSecretValue", "arn:aws:any")
    }
