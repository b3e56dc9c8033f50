"""A first deployment without the application, which a later one of everything continues."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from cfnlint.api import ManualArgs, lint

from deployment import infrastructure, preflight
from tests.infrastructure import transformed
from tests.infrastructure.transformed import ROOT, Template

FULL = transformed.source()
REDUCED = infrastructure.reduced(FULL, ROOT)


def test_it_has_what_takes_long_and_what_that_refers_to() -> None:
    assert REDUCED["Resources"].keys() == {"Network", "Database", "Kafka", "AlarmTopic"}


def test_it_is_a_template_that_cloudformation_takes(tmp_path: Path) -> None:
    written = infrastructure.write(target=tmp_path / "made" / "infrastructure.json").read_text()

    # It warns of parameters and conditions that only the application uses.
    args = ManualArgs(regions=[transformed.REGION], ignore_checks=["W"])
    assert [str(one) for one in lint(written, config=args)] == []
    for resource in json.loads(written)["Resources"].values():
        assert Path(resource["Properties"].get("TemplateURL", ROOT)).exists()


@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_a_later_deployment_of_everything_leaves_it_as_it_is(profile: str) -> None:
    """So do the parameters, whose values the stack keeps."""

    def kept(template: Template) -> dict[str, Any]:
        found = transformed.resolved(template, Profile=profile, CheckoutAppId="x")["Resources"]
        for name in REDUCED["Resources"]:
            found[name].get("Properties", {}).pop("TemplateURL", None)  # Of a bucket, then.
        return {name: found[name] for name in REDUCED["Resources"]}

    assert kept(REDUCED) == kept(FULL)
    assert REDUCED["Parameters"] == FULL["Parameters"]


def test_what_is_referred_to_comes_along_however_it_is_named() -> None:
    resources: dict[str, Any] = {
        "Network": {"Type": "A", "DependsOn": ["One"], "Properties": {"X": {"Ref": "Two"}}},
        "Database": {"Type": "A", "DependsOn": "Three", "Properties": {"X": {"Fn::GetAtt": "Four.Arn"}}},
        "Kafka": {"Type": "A", "Properties": {"X": [{"Fn::Sub": "${Five}/${Six.Arn}"}]}},
        "One": {"Type": "A", "Properties": {"X": {"Fn::GetAtt": ["Seven", "Arn"]}}},
        "Two": {"Type": "A", "Properties": {"X": {"Fn::Sub": ["${Eight}", {"Y": {"Ref": "Nine"}}]}}},
        **{name: {"Type": "A"} for name in ("Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")},
        "Function": {"Type": "A", "Properties": {"X": {"Ref": "Network"}}},
    }

    reduced = infrastructure.reduced({"Resources": resources}, ROOT)
    assert reduced["Resources"].keys() == resources.keys() - {"Function"}


@pytest.mark.parametrize(
    ("status", "resources", "has_functions"),
    [
        (None, [], False),
        ("CREATE_COMPLETE", [("AWS::CloudFormation::Stack", "CREATE_COMPLETE")], False),
        ("UPDATE_FAILED", [("AWS::Lambda::Function", "CREATE_FAILED")], True),
        ("UPDATE_ROLLBACK_COMPLETE", [("AWS::Lambda::Function", "DELETE_COMPLETE")], False),
    ],
)
def test_a_stack_has_functions_or_not(
    monkeypatch: pytest.MonkeyPatch,
    status: str | None,
    resources: list[tuple[str, str]],
    has_functions: bool,
) -> None:
    page = [{"ResourceType": kind, "ResourceStatus": one} for kind, one in resources]
    pages = SimpleNamespace(paginate=lambda **_: [{"StackResourceSummaries": page}])
    monkeypatch.setattr(boto3, "client", lambda _: SimpleNamespace(get_paginator=lambda _: pages))
    monkeypatch.setattr(preflight, "status_of", lambda _: status)

    assert infrastructure.has_functions("checkout") is has_functions
