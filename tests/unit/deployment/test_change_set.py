"""A change set that is made, and executed after somebody read it, with a fake CloudFormation."""

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from checkout.base import terminal
from deployment import __main__ as program
from deployment import change_set, deploy, infrastructure, preflight, protection
from deployment.deploy import NotDeployed

ARN = "arn:aws:cloudformation:eu-west-1:123456789012:changeSet/samcli-deploy1/x"
NO_STACK = ClientError(
    {"Error": {"Code": "ValidationError", "Message": "Stack [x] does not exist"}}, "ListChangeSets"
)


class CloudFormation:
    """One stack, which goes through `statuses` while it is waited for."""

    def __init__(self) -> None:
        self.sets: dict[str, str] | None = {}
        self.profile = "dev"
        self.statuses: list[str | None] = ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]
        self.events: list[dict[str, str]] = []
        self.executed: list[dict[str, Any]] = []
        self.protected: list[str] = []

    def get_paginator(self, name: str) -> Any:
        assert name == "list_change_sets"
        if self.sets is None:
            raise NO_STACK
        found = [{"ChangeSetId": arn, "ExecutionStatus": status} for arn, status in self.sets.items()]
        return SimpleNamespace(paginate=lambda **_: [{"Summaries": found}])

    def describe_change_set(self, ChangeSetName: str) -> Any:  # noqa: N803
        assert self.sets is not None
        given = [{"ParameterKey": "Profile", "ParameterValue": self.profile}]
        status = self.sets[ChangeSetName]
        return {"StackName": "checkout", "ExecutionStatus": status, "Parameters": given}

    def execute_change_set(self, **asked: Any) -> None:
        self.executed.append(asked)

    def describe_stack_events(self, StackName: str) -> Any:  # noqa: N803
        return {"StackEvents": self.events}

    def status_of(self, _: str) -> str | None:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def cloud_formation(monkeypatch: pytest.MonkeyPatch) -> CloudFormation:
    made = CloudFormation()
    monkeypatch.setattr(change_set, "_client", lambda: made)
    monkeypatch.setattr(change_set, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(preflight, "status_of", made.status_of)
    monkeypatch.setattr(deploy, "is_first", lambda _: False)
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: True)
    monkeypatch.setattr(protection, "protect", made.protected.append)
    return made


@pytest.mark.parametrize("known", [None, {}, {"arn:old": "AVAILABLE"}], ids=["new", "none", "an old one"])
@pytest.mark.parametrize("status", ["AVAILABLE", "UNAVAILABLE"])
def test_a_plan_is_the_change_set_that_was_made(
    cloud_formation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    known: dict[str, str] | None,
    status: str,
) -> None:
    cloud_formation.sets = known
    options: list[dict[str, Any]] = []

    def make(environment: str, *_: object, **given: Any) -> None:
        assert environment == "prod"
        options.append(given)
        cloud_formation.sets = {**(known or {}), ARN: status}

    monkeypatch.setattr(deploy, "deploy", make)

    found = change_set.plan("prod", lambda _: None, built="digest")

    assert found == (ARN if status == "AVAILABLE" else None)
    assert options == [{"only_plan": True, "built": "digest"}]
    assert cloud_formation.executed == []


def test_of_two_plans_at_once_neither_is_taken_for_the_other(
    cloud_formation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object, **__: Any) -> None:
        cloud_formation.sets = {"arn:of-another-run": "AVAILABLE", ARN: "AVAILABLE"}

    monkeypatch.setattr(deploy, "deploy", make)

    with pytest.raises(NotDeployed, match="at the same time: plan again"):
        change_set.plan("prod", lambda _: None)


@pytest.mark.parametrize(("profile", "protected"), [("dev", []), ("prod", ["checkout"])])
@pytest.mark.parametrize("is_first", [True, False])
def test_a_change_set_is_executed_as_a_deployment_would_do_it(
    cloud_formation: CloudFormation,
    monkeypatch: pytest.MonkeyPatch,
    profile: str,
    protected: list[str],
    is_first: bool,
) -> None:
    cloud_formation.sets, cloud_formation.profile = {ARN: "AVAILABLE"}, profile
    monkeypatch.setattr(deploy, "is_first", lambda _: is_first)
    said: list[str] = []

    change_set.execute(ARN, said.append)

    assert cloud_formation.executed == [{"ChangeSetName": ARN, "DisableRollback": is_first}]
    assert said == ["checkout is UPDATE_COMPLETE"]
    assert cloud_formation.protected == protected


@pytest.mark.parametrize("status", ["OBSOLETE", "EXECUTE_COMPLETE", "UNAVAILABLE"])
def test_one_of_before_the_stack_changed_is_refused(cloud_formation: CloudFormation, status: str) -> None:
    cloud_formation.sets = {ARN: status}

    with pytest.raises(NotDeployed, match=f"is {status}: the stack has changed since, plan again"):
        change_set.execute(ARN, lambda _: None)

    assert cloud_formation.executed == []


@pytest.mark.parametrize("status", ["CREATE_FAILED", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"])
def test_what_failed_is_told_with_the_reasons(cloud_formation: CloudFormation, status: str) -> None:
    cloud_formation.sets = {ARN: "AVAILABLE"}
    cloud_formation.profile = "prod"
    cloud_formation.statuses = [None, "UPDATE_IN_PROGRESS", status]
    failed = {"LogicalResourceId": "Setup", "ResourceStatus": "UPDATE_FAILED"}
    cloud_formation.events = [
        {"LogicalResourceId": "Api", "ResourceStatus": "UPDATE_COMPLETE"},
        {**failed, "ResourceStatusReason": "Kafka does not answer."},
    ]

    with pytest.raises(NotDeployed) as told:
        change_set.execute(ARN, lambda _: None)

    assert str(told.value) == f"checkout is {status}. Setup: Kafka does not answer."
    assert cloud_formation.protected == []


def test_only_a_stack_that_was_complete_once_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_first(status: str | None, *, has_functions: bool) -> bool:
        monkeypatch.setattr(preflight, "status_of", lambda _: status)
        monkeypatch.setattr(infrastructure, "has_functions", lambda _: has_functions)
        return deploy.is_first("checkout")

    assert is_first(None, has_functions=False)
    assert is_first("UPDATE_FAILED", has_functions=True)
    assert is_first("CREATE_COMPLETE", has_functions=False)
    assert not is_first("CREATE_COMPLETE", has_functions=True)


@pytest.mark.parametrize(("made", "last"), [(ARN, ARN), (None, "none")])
def test_the_last_line_of_a_plan_is_what_to_execute(
    monkeypatch: pytest.MonkeyPatch, made: str | None, last: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(terminal, "say", said.append)
    monkeypatch.setattr(change_set, "plan", lambda *_, **__: made)

    assert program.main(["deploy", "prod", "--plan", "--built", "digest"]) == 0
    assert said == [last]
