"""One region for all commands on a stack, and for sam."""

import re
import tomllib
from pathlib import Path

import boto3
import pytest

import deployment
from deployment import __main__ as command_line
from tests.support.settings import put


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        put(monkeypatch, **{name: None})
    put(monkeypatch, AWS_CONFIG_FILE=str(tmp_path / "config"))


def test_boto3_takes_the_region_that_the_aws_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-1"}
    deployment.settle_region(told)
    put(monkeypatch, AWS_DEFAULT_REGION=told["AWS_DEFAULT_REGION"])
    assert boto3.Session().region_name == "eu-west-1"


def test_without_aws_region_the_other_one_is_kept() -> None:
    told = {"AWS_DEFAULT_REGION": "us-east-1"}
    deployment.settle_region(told)
    assert told == {"AWS_DEFAULT_REGION": "us-east-1"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["deploy", "dev"],
        ["configure", "checkout"],
        ["smoke", "checkout"],
        ["console", "checkout"],
        ["operations", "checkout", "overview"],
    ],
)
def test_without_any_the_commands_say_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(arguments) == 1
    assert "no region: set AWS_REGION" in capsys.readouterr().err


def test_operations_help_names_what_was_typed_and_needs_no_region(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command_line.main(["operations", "checkout", "--help"])
    assert capsys.readouterr().out.startswith("usage: python -m deployment operations checkout [")

    assert command_line.main(["operations", "checkout"]) == 1
    assert "See python -m deployment operations checkout --help." in capsys.readouterr().err


def test_each_command_of_make_on_a_stack_has_this_region() -> None:
    """They are commands of the deployment, whose import settles it."""
    makefile = (deployment.ROOT / "Makefile").read_text()
    for target in ("deploy", "configure", "console", "smoke"):
        [recipe] = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
        assert f"-m deployment {target} " in recipe


def test_samconfig_names_none_that_sam_would_take_instead() -> None:
    config = tomllib.loads((deployment.ROOT / "samconfig.toml").read_text())
    config["default"].pop("validate")
    for environment, commands in config.items():
        if environment != "version":
            assert [name for name, given in commands.items() if "region" in given["parameters"]] == []
