"""No stack's name begins another's: the rights to deploy one would be rights over the other."""

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from deployment import deploy, infrastructure, names, preflight
from deployment.deploy import NotDeployed
from tests.support.settings import put

ROOT = Path(__file__).parents[3]
SHIPPED = names.configured(ROOT / "samconfig.toml")
REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "DescribeStacks")


def test_no_shipped_name_begins_another() -> None:
    assert [deploy.stack_name(one) for one in ("dev", "staging", "prod")] == SHIPPED
    assert [one for one in SHIPPED if names.entangled(one, SHIPPED)] == []


def test_commands_name_stacks_that_there_are() -> None:
    pages = [ROOT / name for name in ("README.md", "Makefile", ".github/workflows/deploy.yml")]
    named = set()
    for page in (*pages, *(ROOT / "docs").glob("*.md")):
        verbs = "configure|console|operations|smoke|undo|unprotect"
        for found in re.findall(rf"(?:STACK=|deployment (?:{verbs}) )(checkout[\w-]*)", page.read_text()):
            named.add(found)
    assert named == set(SHIPPED)


def test_what_guided_wrote_next_to_ours_counts(tmp_path: Path) -> None:
    file = tmp_path / "samconfig.toml"
    file.write_text(
        'version = 0.1\n[default.global.parameters]\nstack_name = "a"\n'
        '[default.deploy.parameters]\nstack_name = "b"\n[own.deploy.parameters]\nresolve_s3 = true\n'
    )
    assert names.configured(file) == ["a", "b"]


@pytest.mark.parametrize(
    ("stack", "other", "is_entangled"),
    [
        ("checkout", "checkout-prod", True),
        ("checkout-prod", "checkout", True),
        ("checkout-prod", "checkout-prod", False),
        ("checkout-prod", "checkout-production", False),
        ("checkout-dev", "checkout-prod", False),
    ],
)
def test_names_of_which_one_begins_the_other(stack: str, other: str, is_entangled: bool) -> None:
    assert names.entangled(stack, [other]) == [other] * is_entangled


class CloudFormation:
    """Its stacks, and those that it does not show."""

    def __init__(self, stacks: dict[str, str], hidden: tuple[str, ...]) -> None:
        self._stacks, self._hidden = stacks, hidden

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        if StackName in self._hidden:
            raise REFUSED
        if StackName not in self._stacks:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": self._stacks[StackName]}]}

    def __getattr__(self, name: str) -> Any:
        return lambda **_: {"AccountLimit": {"ConcurrentExecutions": 1000}}


@pytest.mark.parametrize(
    ("there", "hidden", "stops"),
    [
        ({}, (), []),
        ({"checkout": "CREATE_COMPLETE"}, (), [True]),
        ({"checkout": "CREATE_COMPLETE", "checkout-prod": "CREATE_COMPLETE"}, (), [False]),
        ({}, ("checkout",), [False]),
        ({"checkout-prod": "CREATE_COMPLETE"}, (), []),
    ],
    ids=["alone", "beside it", "both are there", "may not look", "in another account"],
)
def test_a_new_stack_gets_no_name_that_another_s_deployer_has_rights_over(
    monkeypatch: pytest.MonkeyPatch, there: dict[str, str], hidden: tuple[str, ...], stops: list[bool]
) -> None:
    monkeypatch.setattr(boto3, "client", lambda _: CloudFormation(there, hidden))
    monkeypatch.setattr(preflight, "_has_python", lambda: True)
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    found = list(preflight.check("checkout-prod", addresses=0, others=("checkout", "checkout-prod", "shop")))
    assert [one.stops for one in found] == stops
    for one in found:
        assert "rights to deploy checkout are also rights over checkout-prod" in one.what


def test_it_is_told_the_stacks_of_samconfig_and_says_that_a_new_one_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    said: list[str] = []

    def check(_: str, **options: Any) -> list[preflight.Problem]:
        asked.update(options)
        return []

    monkeypatch.setattr(preflight, "check", check)
    monkeypatch.setattr(preflight, "status_of", lambda _: None)
    monkeypatch.setattr(preflight, "app_id_of", lambda _: None)
    monkeypatch.setattr(preflight, "tags_of", lambda _: {})
    monkeypatch.setattr(preflight, "usable_zones", lambda: ["a", "b", "c"])
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: False)
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    with pytest.raises(NotDeployed, match="not confirmed"):
        deploy.deploy("dev", lambda _: False, said.append)
    assert asked["others"] == SHIPPED
    assert any("there is no stack checkout-dev yet" in line for line in said)
