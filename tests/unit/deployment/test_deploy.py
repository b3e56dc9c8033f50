"""Deploying: the commands of sam, and the reasons to stop."""

import json
import re
import ssl
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from samcli.cli.types import CfnParameterOverridesType

from deployment import build, combinations, deploy, infrastructure, preflight, protection
from deployment.deploy import NotDeployed
from deployment.preflight import Problem
from tests.infrastructure import transformed
from tests.support.settings import put


@pytest.fixture
def sam(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were run."""
    given: list[tuple[str, ...]] = []
    monkeypatch.setattr(deploy, "_sam", lambda *arguments: given.append(arguments))
    monkeypatch.setattr(preflight, "check", lambda *_, **__: iter(()))
    monkeypatch.setattr(preflight, "status_of", lambda _: "UPDATE_COMPLETE")
    monkeypatch.setattr(preflight, "app_id_of", lambda _: "kept")
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: True)
    monkeypatch.setattr(preflight, "zones_of", lambda _: "")
    monkeypatch.setattr(preflight, "tags_of", lambda _: {})
    profiles = {"checkout-prod": "prod"}
    monkeypatch.setattr(preflight, "parameters_of", lambda stack: {"Profile": profiles.get(stack, "dev")})
    monkeypatch.setattr(protection, "protect", lambda stack: given.append(("protect", stack)))
    monkeypatch.setattr(preflight, "usable_zones", lambda: ["z-a", "z-b", "z-d", "z-e"])
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    monkeypatch.setattr(deploy, "release_of", lambda *_: "abc")
    return given


def test_it_says_cost_and_duration_before_it_asks(sam: list[tuple[str, ...]]) -> None:
    said: list[str] = []

    def refuse(_: str) -> bool:
        assert any("USD a month" in line for line in said)
        assert any("40 to 70 minutes" in line for line in said)
        return False

    with pytest.raises(NotDeployed, match="not confirmed"):
        deploy.deploy("dev", refuse, said.append)
    assert sam == []


def test_it_builds_and_deploys_with_the_release(sam: list[tuple[str, ...]]) -> None:
    deploy.deploy("dev", lambda _: True, lambda _: None)
    build, deployed = sam
    assert build[0] == "build"
    assert deployed[0] == "deploy"
    assert deployed[deployed.index("--config-env") + 1] == "default"
    assert deployed[deployed.index("--region") + 1] == "eu-west-1"
    overrides = deployed[deployed.index("--parameter-overrides") + 1 :]
    assert "Release=abc" in overrides
    assert {f"{name}={value}" for name, value in deploy.settings("dev").items()} < set(overrides)


def test_the_layer_is_built_for_the_architecture_that_is_deployed(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "settings", lambda _: {"Architecture": "x86_64"})
    deploy.deploy("dev", lambda _: True, lambda _: None)
    for command in sam:
        assert "Architecture=x86_64" in command[command.index("--parameter-overrides") + 1 :]


def app_ids(sam: list[tuple[str, ...]]) -> set[str]:
    """The arguments of both commands."""
    prefix = "CheckoutAppId="
    return {one.removeprefix(prefix) for command in sam for one in command if one.startswith(prefix)}


def test_a_new_stack_gets_a_mark_at_stripe_that_no_other_has(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two AWS accounts with one Stripe account may have stacks of the same name."""
    monkeypatch.setattr(preflight, "app_id_of", lambda _: None)
    said: list[str] = []
    for _ in range(2):
        deploy.deploy("dev", lambda _: True, said.append)
    made_up = app_ids(sam)
    assert len(made_up) == 2
    assert all(re.fullmatch("checkout-dev-[0-9a-f]{8}", one) for one in made_up)
    assert all(any(one in line for line in said) for one in made_up)


def test_a_stack_keeps_its_mark(sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also that of a release whose template had a default for all."""
    monkeypatch.setattr(preflight, "app_id_of", lambda _: "checkout")
    deploy.deploy("prod", lambda _: True, lambda _: None)
    assert app_ids(sam) == {"checkout"}


def test_a_mark_that_is_given_is_that_of_a_new_stack(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "app_id_of", lambda _: None)
    monkeypatch.setattr(deploy, "settings", lambda _: {"CheckoutAppId": "of-the-old-stack"})
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert app_ids(sam) == {"of-the-old-stack"}


def test_a_new_stack_on_a_database_that_is_there_is_asked_about_its_payments(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "app_id_of", lambda _: None)
    told = {
        "DatabaseHost": "old.example.com",
        "DatabaseResourceId": "cluster-1",
        "DatabaseMasterSecretArn": "arn:aws:secretsmanager:eu-west-1:1:secret:x",
    }
    monkeypatch.setattr(deploy, "settings", lambda _: told)
    said: list[str] = []
    deploy.deploy("dev", lambda _: True, said.append)
    assert any("another stack's payments" in line for line in said)


@pytest.mark.parametrize(
    ("environment", "protected"), [("dev", []), ("prod", [("protect", "checkout-prod")])]
)
def test_what_production_holds_is_protected_once_it_is_deployed(
    sam: list[tuple[str, ...]], environment: str, protected: list[tuple[str, str]]
) -> None:
    deploy.deploy(environment, lambda _: True, lambda _: None)
    assert [command[0] for command in sam[:2]] == ["build", "deploy"]
    assert sam[2:] == protected


@pytest.mark.parametrize(
    ("status", "option"),
    [
        (None, "--disable-rollback"),
        ("CREATE_FAILED", "--disable-rollback"),
        ("UPDATE_FAILED", "--disable-rollback"),
        ("UPDATE_COMPLETE", "--no-disable-rollback"),
        ("UPDATE_ROLLBACK_COMPLETE", "--no-disable-rollback"),
    ],
)
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_only_what_was_complete_once_is_rolled_back(
    sam: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    environment: str,
    status: str | None,
    option: str,
) -> None:
    monkeypatch.setattr(preflight, "status_of", lambda _: status)
    deploy.deploy(environment, lambda _: True, lambda _: None)
    assert [one for one in sam[1] if one.endswith("disable-rollback")] == [option]


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_what_first_gives_a_stack_its_functions_is_not_rolled_back(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """Their logs, which say why one failed, would be deleted. `undo` goes back to the infrastructure."""
    monkeypatch.setattr(preflight, "status_of", lambda _: status)
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: False)
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert "--disable-rollback" in sam[1]


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_infrastructure_alone_needs_no_build(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setattr(preflight, "status_of", lambda _: None)
    monkeypatch.setattr(infrastructure, "has_functions", lambda _: False)
    monkeypatch.setattr(infrastructure, "write", lambda: Path("/template.json"))
    deploy.deploy(environment, lambda _: True, lambda _: None, only_infrastructure=True)

    [command] = sam  # Nothing is built, and nothing protected, since it holds nothing.
    assert command[:3] == ("deploy", "--template-file", "/template.json")
    assert "--disable-rollback" in command
    # sam would look for it next to the template.
    assert command[command.index("--config-file") + 1] == str(transformed.ROOT / "samconfig.toml")
    given = {one.partition("=")[0] for one in command[command.index("--parameter-overrides") + 1 :]}
    assert given == {"CheckoutAppId", "Profile", "Zones"}


def test_the_infrastructure_alone_would_delete_functions(sam: list[tuple[str, ...]]) -> None:
    with pytest.raises(NotDeployed, match="checkout-dev has functions, which would be deleted"):
        deploy.deploy("dev", lambda _: True, lambda _: None, only_infrastructure=True)
    assert sam == []


def test_what_stops_it_stops_it(sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [Problem("two zones"), Problem("few environments", stops=False)]
    monkeypatch.setattr(preflight, "check", lambda *_, **__: iter(problems))
    said: list[str] = []
    with pytest.raises(NotDeployed, match="could not succeed"):
        deploy.deploy("dev", lambda _: True, said.append)
    assert said == ["stop: two zones", "note: few environments"]
    assert sam == []


def test_parameters_that_cannot_work_together_stop_it(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "status_of", lambda _: None)
    monkeypatch.setattr(deploy, "settings", lambda _: {"KafkaClusterArn": "arn:aws:kafka:x:1:cluster/x/y"})
    said: list[str] = []
    with pytest.raises(NotDeployed, match="could not succeed"):
        deploy.deploy("dev", lambda _: True, said.append)
    assert said == ["stop: a new network cannot reach KafkaClusterArn: give the VpcId of a network that can"]
    assert sam == []


def configured(monkeypatch: pytest.MonkeyPatch, folder: Path, overrides: str) -> None:
    """`overrides` are parameter_overrides as TOML has them."""
    path = folder / "samconfig.toml"
    path.write_text(
        f'[default.global.parameters]\nstack_name = "shop"\n[default.deploy.parameters]\n{overrides}\n'
    )
    monkeypatch.setattr(deploy, "SAMCONFIG", path)


@pytest.mark.parametrize("page", ["samconfig.toml", "docs/deploy.md"])
def test_the_example_of_a_value_in_json_keeps_its_quotes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str
) -> None:
    [line] = re.findall(r"parameter_overrides = '.*Prices.*", (transformed.ROOT / page).read_text())
    configured(monkeypatch, tmp_path, line)
    given = deploy.settings("dev")
    assert json.loads(given["Prices"]) == [{"amount_cents": 1000, "credit_cents": 1100}]
    # `sam deploy --guided` also reads this file.
    [value] = tomllib.loads(line).values()
    assert CfnParameterOverridesType().convert((value,), None, None) == given


@pytest.mark.parametrize("label", ['5" pack', "a\\", 'a\\"', '"', "5 %\\\\", "plain"])
def test_any_label_of_a_price_arrives(label: str) -> None:
    prices = json.dumps([{"amount_cents": 1000, "label": label}])
    given = CfnParameterOverridesType().convert(deploy._pairs({"Prices": prices, "Release": "a"}), None, None)
    assert (json.loads(given["Prices"]), given["Release"]) == (json.loads(prices), "a")


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ("""parameter_overrides = 'Prices=[{"amount_cents": 1000}]'""", "'1000}]' in parameter_overrides"),
        ("""parameter_overrides = 'Prices="[{'""", "No closing quotation"),
        ("parameter_overrides = ['Profile']", "'Profile' in parameter_overrides"),
    ],
)
def test_overrides_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, overrides: str, problem: str
) -> None:
    configured(monkeypatch, tmp_path, overrides)
    with pytest.raises(NotDeployed, match=re.escape(problem)) as refused:
        deploy.settings("dev")
    assert "samconfig.toml" in str(refused.value)
    assert "is written as in" in str(refused.value)


def test_settings_that_setup_would_refuse_stop_it(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploy, "settings", lambda _: {"Prices": "[{amount_cents:1000}]"})
    said: list[str] = []
    with pytest.raises(NotDeployed, match="could not succeed"):
        deploy.deploy("dev", lambda _: True, said.append)
    assert said[0].startswith("stop: Prices: PRICES ")
    assert said[1:] == ["stop: samconfig.toml has an example of how a value in JSON is quoted"]
    assert sam == []


@pytest.mark.parametrize(
    ("kept", "given", "is_refused"),
    [
        ("", "", False),
        ("arn:a", "arn:a", False),
        ("arn:a", "arn:b", True),
        ("arn:a", "", True),
        ("", "arn:a", True),
    ],
)
def test_data_keeps_its_key(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, kept: str, given: str, is_refused: bool
) -> None:
    monkeypatch.setattr(preflight, "parameters_of", lambda _: {"DataKeyArn": kept})
    monkeypatch.setattr(deploy, "settings", lambda _: {"DataKeyArn": given} if given else {})
    said: list[str] = []
    if is_refused:
        with pytest.raises(NotDeployed, match="could not succeed"):
            deploy.deploy("dev", lambda _: True, said.append)
        assert f"stop: DataKeyArn of the stack is {kept or 'empty'}, for ever" in said[0]
        return
    deploy.deploy("dev", lambda _: True, said.append)
    assert len(sam) == 2


@pytest.mark.parametrize("given", ["", "arn:a"])
def test_a_new_stack_may_have_any_key(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setattr(preflight, "status_of", lambda _: None)
    monkeypatch.setattr(deploy, "settings", lambda _: {"DataKeyArn": given} if given else {})
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert len(sam) == 2


def zones_given(sam: list[tuple[str, ...]]) -> set[str]:
    return {one for command in sam for one in command if one.startswith("Zones=")}


def test_a_new_network_s_zones_are_written_down(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "status_of", lambda _: None)
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert zones_given(sam) == {"Zones=z-a,z-b,z-d"}


def test_a_network_keeps_its_zones(sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "zones_of", lambda _: "z-b,z-c,z-d")
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert zones_given(sam) == {"Zones=z-b,z-c,z-d"}
    monkeypatch.setattr(deploy, "settings", lambda _: {"Zones": "z-a,z-b,z-d"})
    with pytest.raises(NotDeployed, match="Zones of checkout-dev is z-b,z-c,z-d"):
        deploy.deploy("dev", lambda _: True, lambda _: None)


def test_sam_gets_every_value_as_it_is_written(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """sam ends a value without quotes at its first blank, and refuses an empty one."""
    told = {
        "JwtIssuer": "a b",
        "JwtAudience": "",
        "PublicOrigin": "https://x.example",
        "TracingLayerArn": 'q"',
    }
    monkeypatch.setattr(deploy, "settings", lambda _: told)
    deploy.deploy("dev", lambda _: True, lambda _: None)
    for command in sam:
        given = command[command.index("--parameter-overrides") + 1 :]
        assert told.items() <= CfnParameterOverridesType().convert(given, None, None).items()


@pytest.mark.parametrize(
    ("kept", "told", "noticed"),
    [
        (
            {"JwtAudience": "any"},
            {},
            ["stop: JwtAudience of the stack is any, and CloudFormation would keep"],
        ),
        ({"JwtAudience": "any"}, {"JwtAudience": ""}, []),
        ({"JwtAudience": "any"}, {"JwtAudience": "any"}, []),
        ({"JwtAudience": "", "MonthlyBudgetUsd": "0"}, {}, []),
        ({"CheckoutAppId": "kept", "Release": "b" * 64, "Zones": "z-a,z-b,z-c"}, {}, []),
        ({"OfAnEarlierRelease": "x"}, {}, []),
    ],
)
def test_no_parameter_stays_without_being_written(
    sam: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    kept: dict[str, str],
    told: dict[str, str],
    noticed: list[str],
) -> None:
    """CloudFormation keeps the value of a parameter that sam is not given."""
    monkeypatch.setattr(preflight, "parameters_of", lambda _: kept)
    monkeypatch.setattr(deploy, "settings", lambda _: told)
    said: list[str] = []
    if noticed:
        with pytest.raises(NotDeployed, match="could not succeed"):
            deploy.deploy("dev", lambda _: True, said.append)
    else:
        deploy.deploy("dev", lambda _: True, said.append)
    stops = [line for line in said if line.startswith("stop")]
    assert len(stops) == len(noticed)
    assert all(line.startswith(what) for line, what in zip(stops, noticed, strict=True))


EDGE = {
    "PublicOrigin": "https://pay.example.com",
    "CertificateArn": "arn:aws:acm:eu-west-1:1:certificate/x",
    "EdgeCertificateArn": "arn:aws:acm:us-east-1:1:certificate/x",
    "EdgeWebAclArn": "arn:aws:wafv2:us-east-1:1:global/webacl/x/y",
}
OFF = EDGE | {"EdgeCertificateArn": "", "EdgeWebAclArn": ""}
BOTH = EDGE | {"EdgeOnly": "false"}
ONLY = EDGE | {"EdgeOnly": "true"}


@pytest.mark.parametrize(
    ("before", "after", "stops"),
    [
        (OFF, ONLY, True),
        (ONLY, OFF | {"EdgeOnly": "true"}, True),
        ({}, EDGE, True),
        (OFF, BOTH, False),
        (BOTH, ONLY, False),
        (ONLY, BOTH, False),
        (BOTH, OFF | {"EdgeOnly": "false"}, False),
        (ONLY, EDGE, False),
    ],
)
def test_no_step_closes_the_way_that_dns_and_stripe_still_use(
    sam: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    before: dict[str, str],
    after: dict[str, str],
    stops: bool,
) -> None:
    monkeypatch.setattr(preflight, "parameters_of", lambda _: before)
    monkeypatch.setattr(deploy, "settings", lambda _: after)
    said: list[str] = []
    if stops:
        with pytest.raises(NotDeployed, match="could not succeed"):
            deploy.deploy("dev", lambda _: True, said.append)
        [stop] = [line for line in said if line.startswith("stop")]
        assert "deploy with EdgeOnly=false first" in stop
    else:
        deploy.deploy("dev", lambda _: True, said.append)


def test_a_new_stack_may_begin_behind_cloudfront(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "status_of", lambda _: None)
    monkeypatch.setattr(deploy, "settings", lambda _: EDGE)
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert len(sam) == 2


@pytest.mark.parametrize("told", [{}, {"VpcId": "vpc-1"}])
def test_a_network_that_never_had_zones_gets_none(
    sam: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, told: dict[str, str]
) -> None:
    subnets = {"SubnetIds": "a,b,c", "SecurityGroupIds": "x,x,x"} if told else {}
    monkeypatch.setattr(deploy, "settings", lambda _: told | subnets)
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert zones_given(sam) == set()


def test_environments_differ_in_stack_and_parameters_alone() -> None:
    def told(environment: str) -> dict[str, Any]:
        given = deploy._parameters(environment, "deploy")
        # What only `sam deploy --guided` reads, and what a team decides.
        own = ("confirm_changeset", "disable_rollback", "parameter_overrides")
        return {name: value for name, value in given.items() if name not in own}

    assert told("dev") == told("staging") == told("prod")
    assert told("dev")["fail_on_empty_changeset"] is False
    assert len({deploy.stack_name(one) for one in ("dev", "staging", "prod")}) == 3


def test_an_unknown_environment_is_named_with_those_that_there_are() -> None:
    with pytest.raises(NotDeployed, match="no environment moon; there are dev"):
        deploy.settings("moon")


def test_the_release_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "Layer" / "__pycache__").mkdir(parents=True)
    file = tmp_path / "Layer" / "a.py"
    file.write_text("one")
    first = build.release_of(tmp_path, {})
    assert build.release_of(tmp_path, {}) == first
    file.write_text("two")
    second = build.release_of(tmp_path, {})
    file.rename(file.with_name("b.py"))
    third = build.release_of(tmp_path, {})
    # What is imported instead of the source.
    (tmp_path / "Layer" / "__pycache__" / "b.pyc").write_text("whatever")
    assert len({first, second, third, build.release_of(tmp_path, {})}) == 4


def test_another_parameter_is_another_release(tmp_path: Path) -> None:
    first = build.release_of(tmp_path, {"MaxAmountCents": "5000", "Profile": "dev"})
    assert build.release_of(tmp_path, {"Profile": "dev", "MaxAmountCents": "5000"}) == first
    assert build.release_of(tmp_path, {"Profile": "dev", "MaxAmountCents": "50000"}) != first


class Client:
    """A fake client of all services that preflight asks."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        answer = self._answers[name]

        def asked(*_: object, **__: object) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return asked


KAFKA_VERSIONS = {
    "KafkaVersions": [
        {"Version": "3.6.0", "Status": "DEPRECATED"},
        {"Version": "3.8.x", "Status": "ACTIVE"},
        {"Version": "3.9.x.kraft", "Status": "ACTIVE"},
    ]
}
"""As MSK's ListKafkaVersions answers."""

NO_STACK = ClientError(
    {"Error": {"Code": "ValidationError", "Message": "Stack with id checkout does not exist"}},
    "DescribeStacks",
)


def zones(*ids: str) -> dict[str, Any]:
    """In this account a is the first zone, b the second, and so on."""
    found = [
        {"ZoneName": f"zone-{letter}", "ZoneId": one} for letter, one in zip("abcdef", ids, strict=False)
    ]
    return {"AvailabilityZones": found}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    answers: dict[str, Any] = {
        "describe_availability_zones": zones("euw1-az1", "euw1-az2", "euw1-az3"),
        "get_paginator": SimpleNamespace(paginate=lambda: [KAFKA_VERSIONS]),
        "get_account_settings": {"AccountLimit": {"ConcurrentExecutions": 1000}},
        "describe_vpcs": {"Vpcs": [{}]},
        "describe_addresses": {"Addresses": [{}]},
        "get_service_quota": {"Quota": {"Value": 5.0}},
        "get_caller_identity": {"Account": "123456789012"},
        "describe_stacks": NO_STACK,
    }
    monkeypatch.setattr(boto3, "client", lambda _: Client(**answers))
    monkeypatch.setattr(preflight, "_has_python", lambda: True)
    put(monkeypatch, AWS_DEFAULT_REGION="eu-west-1")
    return answers


@pytest.mark.parametrize(("minutes", "is_noted"), [(80, True), (100, False), (None, False)])
def test_credentials_that_end_too_early_are_noted(
    account: dict[str, Any], monkeypatch: pytest.MonkeyPatch, minutes: int | None, is_noted: bool
) -> None:
    put(monkeypatch, AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x", AWS_SESSION_TOKEN="x")
    if minutes is not None:
        end = datetime.now(UTC) + timedelta(minutes=minutes)
        put(monkeypatch, AWS_CREDENTIAL_EXPIRATION=end.isoformat())

    found = list(preflight.check("checkout", addresses=0))

    assert ["end within 90 minutes" in one.what for one in found] == [True] * is_noted
    assert not any(one.stops for one in found)


@pytest.mark.parametrize(
    ("given", "configured", "used"), [("a", "b", "a"), (None, "b", "b"), (None, None, None)]
)
def test_cloudformation_acts_as_the_role_that_it_is_given(
    sam: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    configured: str | None,
    used: str | None,
) -> None:
    told = deploy._parameters("dev", "deploy") | ({"role_arn": configured} if configured else {})
    monkeypatch.setattr(deploy, "_parameters", lambda *_: {"stack_name": "checkout"} | told)
    deploy.deploy("dev", lambda _: True, lambda _: None, role=given)
    deployed = sam[1]
    assert (deployed[deployed.index("--role-arn") + 1] if "--role-arn" in deployed else None) == used


def test_an_account_with_room_is_fine(account: dict[str, Any]) -> None:
    assert list(preflight.check("checkout", addresses=3)) == []


def test_a_region_s_database_must_be_trusted(
    account: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `Setup` fails after half an hour. What the certificates themselves say is decisive."""
    roots: Any = ssl.create_default_context(cafile=str(preflight.ROOTS)).get_ca_certs()
    names = {
        value for root in roots for part in root["subject"] for key, value in part if key == "commonName"
    }
    refused = set()
    for name in boto3.Session().get_available_regions("rds"):
        put(monkeypatch, AWS_DEFAULT_REGION=name)
        problems = list(preflight.check("checkout", addresses=3))
        if f"Amazon RDS {name} Root CA RSA2048 G1" in names:
            assert problems == []
        else:
            [found] = problems
            assert name in found.what
            assert found.stops
            refused.add(name)
    assert {"il-central-1", "ca-west-1", "ap-southeast-5", "ap-southeast-7", "mx-central-1"} <= refused
    assert "us-east-1" not in refused


@pytest.mark.parametrize(
    ("name", "answer", "problem"),
    [
        ("describe_availability_zones", zones("euw1-az1", "euw1-az2"), "2 zones"),
        ("describe_availability_zones", zones("use1-az1", "use1-az2", "use1-az3"), "2 zones"),
        ("get_account_settings", {"AccountLimit": {"ConcurrentExecutions": 10}}, "10 environments at once"),
        ("describe_vpcs", {"Vpcs": [{}] * 5}, "5 of 5 VPCs"),
        ("describe_addresses", {"Addresses": [{}] * 3}, "3 of 5 elastic addresses are used, and 3 more"),
    ],
)
def test_a_quota_is_named(account: dict[str, Any], name: str, answer: Any, problem: str) -> None:
    account[name] = answer
    [found] = preflight.check("checkout", addresses=3)
    assert problem in found.what
    assert found.stops


@pytest.mark.parametrize(("allowed", "stops"), [(49, [True]), (50, [False]), (99, [False]), (100, [])])
def test_with_too_few_environments_a_release_would_be_taken_back(
    account: dict[str, Any], allowed: int, stops: list[bool]
) -> None:
    account["get_account_settings"] = {"AccountLimit": {"ConcurrentExecutions": allowed}}
    assert [one.stops for one in preflight.check("checkout", addresses=3)] == stops


def test_a_network_of_ones_own_needs_none(account: dict[str, Any]) -> None:
    account["describe_vpcs"] = {"Vpcs": [{}] * 5}
    assert list(preflight.check("checkout", addresses=0)) == []


@pytest.mark.parametrize(("status", "problems"), [("UPDATE_COMPLETE", 0), ("REVIEW_IN_PROGRESS", 2)])
def test_a_stack_that_is_there_needs_no_second_network(
    account: dict[str, Any], status: str, problems: int
) -> None:
    account["describe_vpcs"] = {"Vpcs": [{}] * 5}
    account["describe_addresses"] = {"Addresses": [{}] * 5}
    account["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    assert len(list(preflight.check("checkout", addresses=3))) == problems


@pytest.mark.parametrize(
    ("outputs", "is_decided", "stops"),
    [
        (["ApiUrl"], False, True),
        (["ApiUrl"], True, False),
        (["ApiUrl", "JwtAudience"], False, False),
        ([], False, False),
    ],
    ids=["of an earlier release", "and JwtAudience is given", "of this release", "that never was complete"],
)
def test_an_upgrade_does_not_refuse_every_user_unannounced(
    account: dict[str, Any], outputs: list[str], is_decided: bool, stops: bool
) -> None:
    found = [{"OutputKey": key, "OutputValue": "x"} for key in outputs]
    account["describe_stacks"] = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Outputs": found}]}

    problems = list(preflight.check("checkout", addresses=0, is_audience_decided=is_decided))

    assert [problem.what for problem in problems if "aud=checkout" in problem.what] == (
        [problems[0].what] if stops else []
    )
    assert any(problem.stops for problem in problems) is stops


@pytest.mark.parametrize(
    ("asked", "problems"), [(None, 0), ("checkout", 0), ("checkout-dev", 1)], ids=["none", "same", "another"]
)
def test_another_mark_than_the_stacks_stops_it(
    account: dict[str, Any], asked: str | None, problems: int
) -> None:
    mark = [{"ParameterKey": "CheckoutAppId", "ParameterValue": "checkout"}]
    account["describe_stacks"] = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": mark}]}
    found = list(preflight.check("checkout", addresses=3, app_id=asked))
    assert len(found) == problems
    assert all("CheckoutAppId of checkout is checkout" in one.what and one.stops for one in found)


def test_a_zone_without_brokers_is_never_taken(account: dict[str, Any]) -> None:
    account["describe_availability_zones"] = zones("use1-az6", "use1-az3", "use1-az1", "use1-az2")
    assert preflight.usable_zones() == ["zone-a", "zone-c", "zone-d"]
    [found] = preflight.check("checkout", addresses=3, zones=("zone-a", "zone-b", "zone-c"))
    assert "must be 3 of zone-a, zone-c, zone-d" in found.what
    assert list(preflight.check("checkout", addresses=3, zones=("zone-a", "zone-c", "zone-d"))) == []


def test_the_zones_without_brokers_are_those_that_msk_names() -> None:
    """In AWS's own model of its API, as botocore has it."""
    model: Any = botocore.session.get_session().get_service_model("kafka")
    told = model.shape_for("BrokerNodeGroupInfo").members["ClientSubnets"].documentation
    assert set(re.findall(r"\b[a-z]+\d-az\d\b", told)) == preflight.REFUSED_ZONES


@pytest.mark.parametrize(
    ("status", "way_out"),
    [
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name checkout"),
        ("DELETE_FAILED", "only deletes it"),
        ("CREATE_IN_PROGRESS", "wait until CloudFormation is done"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "wait until CloudFormation is done"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "wait until CloudFormation is done"),
    ],
)
def test_a_stack_that_takes_no_update_is_named_with_its_way_out(
    account: dict[str, Any], status: str, way_out: str
) -> None:
    account["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    [found] = preflight.check("checkout", addresses=3)
    assert way_out in found.what
    assert found.stops


def test_every_status_of_a_stack_is_decided(account: dict[str, Any]) -> None:
    """Those that CloudFormation has, in AWS's own model of its API."""
    model: Any = botocore.session.get_session().get_service_model("cloudformation")
    going_on = set()
    for status in model.shape_for("StackStatus").enum:
        account["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
        if not any(problem.stops for problem in preflight.check("checkout", addresses=0)):
            going_on.add(status)
    assert going_on == {
        *("CREATE_COMPLETE", "CREATE_FAILED", "DELETE_COMPLETE", "REVIEW_IN_PROGRESS"),
        *("UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_COMPLETE"),
        *("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_FAILED"),
    }


@pytest.mark.parametrize(
    ("name", "problems"),
    [("checkout-" + "x" * 16, 0), ("checkout-" + "x" * 17, 1), ("check--out", 1), ("checkout-", 1)],
)
def test_a_new_stack_s_name_must_fit(account: dict[str, Any], name: str, problems: int) -> None:
    found = list(preflight.check(name, addresses=3))
    assert len(found) == problems
    assert all(f"{name} cannot be a stack's name" in one.what and one.stops for one in found)


@pytest.mark.parametrize(
    ("version", "problems"), [("3.8.x", 0), ("3.9.x.kraft", 0), (None, 0), ("3.6.0", 1), ("3.9.x", 1)]
)
def test_a_new_cluster_s_version_is_one_that_msk_still_makes(
    account: dict[str, Any], version: str | None, problems: int
) -> None:
    found = list(preflight.check("checkout", addresses=3, kafka=version))
    assert len(found) == problems
    assert all("give KafkaVersion, of 3.8.x, 3.9.x.kraft" in one.what and one.stops for one in found)
    account["describe_stacks"] = {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}
    assert list(preflight.check("checkout", addresses=3, kafka=version)) == []


def test_the_default_version_is_the_template_s() -> None:
    declared = transformed.source()["Parameters"]
    assert declared["KafkaVersion"]["Default"] == combinations.KAFKA_VERSION
    assert declared["KafkaInstanceType"]["Default"] == combinations.SMALL_BROKERS
    assert combinations.kafka_version({}) == combinations.KAFKA_VERSION
    assert combinations.kafka_version({"KafkaBrokerType": "serverless"}) is None


@pytest.mark.parametrize(
    ("chosen", "problems"), [({"Aurora": True}, 0), ({"Aurora": False, "RDS": True}, 1), ({}, 1)]
)
@pytest.mark.parametrize("status", [None, "UPDATE_COMPLETE"])
def test_a_database_is_only_copied_if_aws_backup_is_switched_on_for_it(
    account: dict[str, Any], status: str | None, chosen: dict[str, bool], problems: int
) -> None:
    """It skips one that it is not, also if a plan names it."""
    if status is not None:
        account["describe_stacks"] = {"Stacks": [{"StackStatus": status}]}
    account["describe_region_settings"] = {"ResourceTypeOptInPreference": chosen}
    found = list(preflight.check("checkout", addresses=3, is_copied=True))
    assert len(found) == problems
    assert all("not switched on for Aurora in eu-west-1" in one.what and one.stops for one in found)
    assert list(preflight.check("checkout", addresses=3)) == []


@pytest.mark.parametrize(
    ("parameters", "is_copied"),
    [
        ({}, False),
        ({"DatabaseCopyVaultArn": "arn:x"}, True),
        (
            {
                "DatabaseCopyVaultArn": "arn:x",
                "DatabaseHost": "db.example.com",
                "DatabaseResourceId": "cluster-1",
                "DatabaseMasterSecretArn": "arn:y",
            },
            False,
        ),
    ],
)
def test_the_copy_of_a_database_that_the_stack_makes_is_checked(
    sam: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, str],
    is_copied: bool,
) -> None:
    asked: dict[str, Any] = {}

    def check(_: str, **options: Any) -> list[Problem]:
        asked.update(options)
        return []

    monkeypatch.setattr(preflight, "check", check)
    monkeypatch.setattr(deploy, "settings", lambda _: parameters)
    deploy.deploy("dev", lambda _: True, lambda _: None)
    assert asked["is_copied"] is is_copied


def test_what_was_rolled_back_to_nothing_must_be_deleted(account: dict[str, Any]) -> None:
    account["describe_stacks"] = {"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE"}]}
    [found] = preflight.check("checkout", addresses=3)
    assert "checkout is ROLLBACK_COMPLETE" in found.what
    assert found.stops
