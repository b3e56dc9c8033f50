"""The stack policy: what holds something, and the nested stack around it, is neither replaced nor removed."""

import fnmatch
import json
from typing import Any

import boto3
import pytest

from deployment import protection

STACKS = {
    "checkout-prod": [
        ("Secret", "AWS::SecretsManager::Secret", "arn:secret"),
        ("Api", "AWS::ApiGatewayV2::Api", "api"),
        ("Database", "AWS::CloudFormation::Stack", "arn:database"),
        ("Monitoring", "AWS::CloudFormation::Stack", "arn:monitoring"),
    ],
    "arn:database": [
        ("Cluster", "AWS::RDS::DBCluster", "cluster"),
        ("Logs", "AWS::Logs::LogGroup", "logs"),
    ],
    "arn:monitoring": [("RecordParkedAlarm", "AWS::CloudWatch::Alarm", "alarm")],
}


class CloudFormation:
    """Keeps policies, and refuses one that names what the stack does not have, as CloudFormation does."""

    def __init__(self) -> None:
        self.policies: dict[str, list[dict[str, Any]]] = {}
        self.is_protected: bool | None = None

    def get_paginator(self, name: str) -> "CloudFormation":
        assert name == "list_stack_resources"
        return self

    def paginate(self, StackName: str) -> Any:  # noqa: N803 - boto3's name
        found = [(*one, "UPDATE_COMPLETE") for one in STACKS[StackName]]
        found.append(("Retained", "AWS::CloudFormation::Stack", "arn:elsewhere", "DELETE_SKIPPED"))
        for logical, kind, physical, status in found:  # A page for each.
            one = {"LogicalResourceId": logical, "ResourceType": kind}
            one |= {"PhysicalResourceId": physical, "ResourceStatus": status}
            yield {"StackResourceSummaries": [one]}

    def set_stack_policy(self, StackName: str, StackPolicyBody: str) -> None:  # noqa: N803
        statements = json.loads(StackPolicyBody)["Statement"]
        known = {logical for logical, _, _ in STACKS[StackName]}
        for one in statements:
            for name in [one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"]:
                assert name == "*" or name.removeprefix("LogicalResourceId/") in known
        self.policies[StackName] = statements

    def update_termination_protection(self, StackName: str, EnableTerminationProtection: bool) -> None:  # noqa: N803
        assert StackName == "checkout-prod", "nested stacks have their root's"
        self.is_protected = EnableTerminationProtection

    def admits(self, stack: str, action: str, logical: str) -> bool:
        """As CloudFormation decides: what is denied is not allowed."""

        def meets(one: dict[str, Any]) -> bool:
            actions, resources = (
                [value] if isinstance(value, str) else value for value in (one["Action"], one["Resource"])
            )
            return any(fnmatch.fnmatch(action, each) for each in actions) and any(
                fnmatch.fnmatch(f"LogicalResourceId/{logical}", each) for each in resources
            )

        effects = {one["Effect"] for one in self.policies[stack] if meets(one)}
        return effects == {"Allow"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> CloudFormation:
    made = CloudFormation()
    monkeypatch.setattr(boto3, "client", lambda _: made)
    return made


HELD = [("checkout-prod", "Secret"), ("checkout-prod", "Database"), ("arn:database", "Cluster")]
NOT_HELD = [
    ("checkout-prod", "Api"),
    ("checkout-prod", "Monitoring"),
    ("arn:monitoring", "RecordParkedAlarm"),
]


@pytest.mark.parametrize(("stack", "logical"), HELD)
def test_what_holds_something_is_changed_in_place_or_not_at_all(
    aws: CloudFormation, stack: str, logical: str
) -> None:
    protection.protect("checkout-prod")
    assert aws.is_protected is True
    assert aws.admits(stack, "Update:Modify", logical)
    assert not aws.admits(stack, "Update:Replace", logical)
    assert not aws.admits(stack, "Update:Delete", logical)


@pytest.mark.parametrize(("stack", "logical"), NOT_HELD)
def test_everything_else_is_free_to_change(aws: CloudFormation, stack: str, logical: str) -> None:
    protection.protect("checkout-prod")
    assert all(aws.admits(stack, f"Update:{what}", logical) for what in ("Modify", "Replace", "Delete"))


@pytest.mark.parametrize(("stack", "logical"), HELD + NOT_HELD)
def test_there_is_a_way_out(aws: CloudFormation, stack: str, logical: str) -> None:
    protection.protect("checkout-prod")
    protection.release("checkout-prod")
    assert aws.is_protected is False
    assert aws.admits(stack, "Update:Delete", logical)
