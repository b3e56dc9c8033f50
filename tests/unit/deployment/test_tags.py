"""A stack's tags: which ones, as sam takes them, and on all that can have some."""

from typing import Any

import pytest
from samcli.cli.types import CfnTags

from deployment import deploy, infrastructure, preflight, tags
from deployment.tags import NotTags
from tests.support.settings import put


@pytest.mark.parametrize(
    ("given", "configured", "kept", "expected"),
    [
        ("Team=pay", "Team=ops", {"Team": "it"}, {"Team": "pay"}),
        (None, "Team=ops", {"Team": "it"}, {"Team": "ops"}),
        (None, ["Team=ops", "Owner=Jo Ito"], {}, {"Team": "ops", "Owner": "Jo Ito"}),
        (None, "", {"Team": "it"}, {"Team": "it"}),
        (None, "", {}, {}),
        ('Team=pay "Owner=Jo Ito" Empty=', "", {}, {"Team": "pay", "Owner": "Jo Ito", "Empty": ""}),
    ],
)
def test_the_most_specific_ones_are_taken(
    given: str | None, configured: Any, kept: dict[str, str], expected: dict[str, str]
) -> None:
    assert tags.chosen(given, configured, kept) == expected


@pytest.mark.parametrize("text", ["Team", "=pay", "Team=pay;x", "aws:team=pay", f"{'k' * 129}=v"])
def test_what_is_no_tag_is_named(text: str) -> None:
    with pytest.raises(NotTags, match="Key=value"):
        tags.parsed([text])


@pytest.mark.parametrize("given", [{"Team": "pay", "Empty": ""}, {"Owner": "Jo Ito", "Url": "a:b/c=d"}])
def test_sam_reads_what_it_is_given(given: dict[str, str]) -> None:
    option, *pairs = tags.options(given)
    assert option == "--tags"
    assert CfnTags().convert(tuple(pairs), None, None) == given
    assert tags.options({}) == []


def test_a_deployment_passes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(deploy, "_sam", lambda *arguments: commands.append(arguments))
    monkeypatch.setattr(preflight, "check", lambda *_, **__: iter(()))
    monkeypatch.setattr(deploy, "release_of", lambda *_: "abc")
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    stack = {"StackStatus": "UPDATE_COMPLETE", "Tags": [{"Key": "Team", "Value": "its own"}]}
    monkeypatch.setattr(preflight, "_described", lambda _: stack)
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: True)

    deploy.deploy("dev", lambda _: True, lambda _: None)
    deploy.deploy("dev", lambda _: True, lambda _: None, tagged="Team=pay")

    deployed = [command for command in commands if command[0] == "deploy"]
    assert [command[command.index("--tags") + 1] for command in deployed] == [
        '"Team"="its own"',
        '"Team"="pay"',
    ]
