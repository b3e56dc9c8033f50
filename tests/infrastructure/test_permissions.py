"""Each role allows what its function asks for, and nothing else."""

import copy
from functools import cache

import pytest

from tests.infrastructure import permissions, published, whole
from tests.infrastructure.permissions import Call, asked_by_lambda, denied, granted, unused
from tests.infrastructure.transformed import REGION, Resource

SOURCE = whole.source()
PARAMETERS = {"KafkaBrokerType": "standard", "CheckoutAppId": "checkout", "TopicPrefix": "staging."}
SECRETS = f"arn:aws:secretsmanager:{permissions.HERE}:secret"
KEY = f"arn:aws:kms:{permissions.HERE}:key/1"
READER = f"arn:aws:iam::{whole.ACCOUNT}:role/operator"
GIVEN = "prod, given secrets"
STACKS = {
    "dev": {"Profile": "dev"},
    "prod": {"Profile": "prod"},
    GIVEN: {
        "Profile": "prod",
        "DatabaseUrlSecretArn": f"{SECRETS}:database-url",
        "SecretKeyArn": KEY,
        "StripeSecretReaders": READER,
    },
    "any Kafka": {
        "Profile": "dev",
        "KafkaBootstrap": "b-1.example.com:9092,b-2.example.com:9092",
        "KafkaSecretArn": f"{SECRETS}:kafka",
        "KafkaRootSecretArn": f"{SECRETS}:root",
    },
}
FUNCTIONS = sorted(
    name for name, one in SOURCE.application["Resources"].items() if one["Type"] == "AWS::Lambda::Function"
)


@cache
def resources(stack: str) -> dict[str, Resource]:
    return whole.resources(SOURCE, PARAMETERS | STACKS[stack], permissions.name)


@cache
def asked_by_code(stack: str, function: str) -> frozenset[Call]:
    return frozenset(permissions.asked(resources(stack), function))


def asked(stack: str, function: str) -> frozenset[Call]:
    """By its code and by Lambda."""
    return asked_by_code(stack, function) | asked_by_lambda(resources(stack), function)


def role(stack: str, function: str) -> Resource:
    return resources(stack)[f"{function}Role"]


@pytest.mark.parametrize("profile", ["dev", "prod", "any Kafka"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_allows_exactly_what_its_function_asks_for(profile: str, function: str) -> None:
    calls, grants = asked(profile, function), granted(role(profile, function))

    assert denied(calls, grants) == set()
    assert unused(calls, grants) == set()


@pytest.mark.parametrize("profile", ["dev", "prod"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_lambda_may_do_for_the_network_its_code_may_not(profile: str, function: str) -> None:
    given = role(profile, function)
    by_code = granted(given, to_code_of=function)

    assert {call.action for call in granted(given)} >= published.LAMBDA_IN_A_VPC
    assert [call for call in by_code if call.action.startswith("ec2:")] == []
    assert denied(asked_by_code(profile, function), by_code) == set()


# Which secrets a function can read

CALLERS, STRIPE, MASTER = (f"{SECRETS}:{name}" for name in ("Secret", "StripeSecret", "master"))
READS: dict[str, set[str]] = {
    "AccountFunction": {CALLERS},
    "CheckoutFinishedConsumerFunction": set(),
    "CheckoutRequestsConsumerFunction": {STRIPE},
    "CreateSessionFunction": {CALLERS, STRIPE},
    "MigrateFunction": {CALLERS, STRIPE, MASTER},
    "OperationsFunction": {STRIPE},
    "OutboxRelayFunction": set(),
    "PreTrafficFunction": set(),
    "ReconcilerFunction": {STRIPE},
    "StripeWebhookFunction": {STRIPE},
    "WebFunction": set(),
}
OF_THE_APPLICATION = READS.keys() - {
    *("OutboxRelayFunction", "PreTrafficFunction", "StripeWebhookFunction", "WebFunction")
}
"""The functions that work on the application's database."""


def read(function: Resource) -> set[str]:
    """The secrets that a role can read."""
    return {call.resource for call in granted(function) if call.action == "secretsmanager:GetSecretValue"}


@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_each_function_can_read_only_what_it_needs(profile: str) -> None:
    assert {function: read(role(profile, function)) for function in FUNCTIONS} == READS


def test_a_function_that_reads_no_secret_asks_for_none() -> None:
    for function in FUNCTIONS:
        calls = {one for one in asked("prod", function) if one.action.startswith("secretsmanager:")}
        assert {one.resource for one in calls} == READS[function], function


def test_the_application_s_url_is_for_those_who_work_on_its_database() -> None:
    for function in FUNCTIONS:
        more = {f"{SECRETS}:database-url"} if function in OF_THE_APPLICATION else set()
        assert read(role(GIVEN, function)) == READS[function] | more
    for function in OF_THE_APPLICATION:
        calls, grants = asked(GIVEN, function), granted(role(GIVEN, function))
        assert denied(calls, grants) == set()
        assert {one for one in unused(calls, grants) if one.resource != KEY} == set()


def test_a_customer_s_key_opens_what_a_function_reads_and_by_secrets_manager_alone() -> None:
    by_secrets_manager = {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}}
    for function in FUNCTIONS:
        actions = {one.action for one in granted(role(GIVEN, function)) if one.resource == KEY}
        if function == "MigrateFunction":
            assert actions == {"kms:Decrypt", "kms:GenerateDataKey"}
        else:
            assert actions == ({"kms:Decrypt"} if read(role(GIVEN, function)) else set())
        for one in permissions.statements(role(GIVEN, function)):
            assert one["Resource"] != KEY or one["Condition"] == by_secrets_manager
    for secret in ("Secret", "StripeSecret"):
        assert resources(GIVEN)[secret]["Properties"]["KmsKeyId"] == KEY


def test_stripe_s_secret_is_closed_to_all_but_who_needs_it() -> None:
    found = resources(GIVEN)
    [statement] = found["StripeSecretPolicy"]["Properties"]["ResourcePolicy"]["Statement"]
    needing = {function for function, secrets in READS.items() if STRIPE in secrets}

    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Action"] == "secretsmanager:GetSecretValue", "of more, nobody could take it back"
    assert set(statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"]) == {
        *(permissions.name(f"{function}Role", "AWS::IAM::Role", "Arn") for function in needing),
        f"arn:aws:iam::{whole.ACCOUNT}:root",
        READER,
    }
    assert "StripeSecretPolicy" not in resources("prod"), "without readers nobody could configure it"


def test_the_secret_of_any_kafka_is_for_those_who_publish_consume_or_create_topics() -> None:
    secrets = {f"{SECRETS}:kafka", f"{SECRETS}:root"}
    for function in FUNCTIONS:
        on_msk = {one.action for one in granted(role("dev", function))}
        more = secrets if "kafka-cluster:Connect" in on_msk else set()
        assert read(role("any Kafka", function)) == READS[function] | more
    assert not secrets & read(role("any Kafka", "AccountFunction"))


# That it bites


@pytest.mark.parametrize(
    ("function", "secret"),
    [("AccountFunction", STRIPE), ("OutboxRelayFunction", CALLERS), ("WebFunction", STRIPE)],
)
def test_one_that_can_read_another_secret_is_noticed(function: str, secret: str) -> None:
    given = copy.deepcopy(role("prod", function))
    more = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret}
    given["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].append(more)

    assert read(given) != READS[function]
    assert unused(asked("prod", function), granted(given)) >= {Call(more["Action"], secret)}


def test_network_permissions_of_the_code_are_noticed() -> None:
    given = copy.deepcopy(role("prod", "WebFunction"))
    found = given["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    found[:] = [one for one in found if one["Effect"] != "Deny"]

    assert Call("ec2:CreateNetworkInterface", "*") in granted(given, to_code_of="WebFunction")


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
