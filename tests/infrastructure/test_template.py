"""template.yaml: valid once transformed, and in agreement with the code, .env.example and the README."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.setting import Secret, Setting
from checkout.base.settings import DECLARED, SECRETS
from checkout.outbox import finished_event, request_event
from tests.infrastructure import transformed
from tests.infrastructure.transformed import ROOT

GLOBALS = transformed.source()["Globals"]["Function"]

LOCAL = {"STRIPE_KEY", "KAFKA", "NODES", "KAFKA_BROKERS_IN_CONTAINERS", "PORT", "STRIPE_PORT"} | {
    "FUNCTION_ENVIRONMENTS"
}
"""What only the local stack reads."""

SECRET_NAMES = {secret.name for secret in SECRETS}

FUNCTIONS = {
    Path(resource["Properties"]["CodeUri"]).name: resource["Properties"]
    for resource in transformed.source()["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
}
"""By the name of their folder."""


def events(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """(function, properties) of all events of a type."""
    return [
        (function, event["Properties"])
        for function, properties in FUNCTIONS.items()
        for event in properties.get("Events", {}).values()
        if event["Type"] == kind
    ]


# As CloudFormation sees it


@pytest.mark.parametrize("name", ["application", *transformed.STACKS])
def test_cfn_lint_finds_nothing_in_what_cloudformation_gets(name: str, tmp_path: Path) -> None:
    """After the transformation; `sam validate --lint` looks before it, and misses what is in SAM's events."""
    path = ROOT / "infrastructure" / f"{name}.yaml"
    text = transformed.text_of(transformed.source()) if name == "application" else path.read_text()
    # Nested templates are uploaded by `sam deploy`; empty defaults stand behind conditions.
    config = ManualArgs(regions=[transformed.REGION], ignore_checks=["W3002", "W1030", "W1031", "W1035"])
    found = [str(match) for match in lint(text, config=config)]

    assert [match for match in found if "Template file not found" not in match] == []


def test_operations_are_those_of_the_version_in_use() -> None:
    told = transformed.document()["Outputs"]["OperationsFunction"]["Value"]

    assert told == {"Ref": "OperationsFunctionAliaslive"}


def test_no_two_stacks_have_one_mark_at_stripe_by_default() -> None:
    """They would credit each other's payments."""
    declared = transformed.source()["Parameters"]["CheckoutAppId"]
    assert "Default" not in declared
    right, wrong = ("checkout", "checkout-4f1c09ab", "a b"), ("", " ", "checkout ", "x" * 101)
    assert all(re.fullmatch(declared["AllowedPattern"], one) for one in right)
    assert not any(re.fullmatch(declared["AllowedPattern"], one) for one in wrong)
    assert "CheckoutAppId" not in (ROOT / "samconfig.toml").read_text()


@pytest.mark.parametrize(
    ("parameter", "setting", "right", "wrong"),
    [
        (
            "StripeWebhookSources",
            "STRIPE_WEBHOOK_SOURCES",
            ["192.0.2.1", "192.0.2.1, 198.51.100.0/24", "2001:db8::/32,::1"],
            [
                "nonsense",
                "7",
                "192.0.2.1,",
                ",192.0.2.1",
                "192.0.2.1;192.0.2.2",
                "192.0.2.1/",
                "https://192.0.2.1",
            ],
        ),
        (
            "JwtAudience",
            "JWT_AUDIENCE",
            ["web", "web,app", "our web, https://app"],
            [",", "a,,b", "a, ,b", "a,"],
        ),
        ("DataRetentionDays", "RETENTION_DAYS", ["31", "40", "99", "100"], ["0", "7", "30", "-31", "31.5"]),
    ],
)
def test_a_parameter_takes_what_its_setting_takes(
    parameter: str, setting: str, right: list[str], wrong: list[str]
) -> None:
    pattern = transformed.source()["Parameters"][parameter]["AllowedPattern"]
    for value in ("", *right):
        assert re.fullmatch(pattern, value), value
        Config({setting: value}).check_settings()
    for value in wrong:
        assert not re.fullmatch(pattern, value), value
        with pytest.raises(ConfigurationError, match=setting):
            Config({setting: value}).check_settings()


@pytest.mark.parametrize("name", ["application", *transformed.STACKS])
def test_every_role_has_the_boundary(name: str) -> None:
    template = transformed.document() if name == "application" else transformed.nested(name)
    bounded = {"Fn::If": ["HasBoundary", {"Ref": "PermissionsBoundaryArn"}, {"Ref": "AWS::NoValue"}]}
    roles = transformed.of_type(template, "AWS::IAM::Role")

    assert [role for role, given in roles.items() if given.get("PermissionsBoundary") != bounded] == []


def test_a_nested_stack_with_a_role_is_given_the_boundary() -> None:
    application = transformed.source()["Resources"]
    for name in transformed.STACKS:
        if transformed.of_type(transformed.nested(name), "AWS::IAM::Role"):
            given = application[name.capitalize()]["Properties"]["Parameters"]
            assert given["PermissionsBoundaryArn"] == {"Ref": "PermissionsBoundaryArn"}


def test_each_trigger_has_a_topic_and_a_consumer_group_of_its_own() -> None:
    triggers = transformed.of_type(transformed.source(), "AWS::Lambda::EventSourceMapping").values()

    for kind, chosen in (
        ("AmazonManagedKafkaEventSourceConfig", 2),
        ("SelfManagedKafkaEventSourceConfig", 1),
    ):
        assert {
            trigger["Topics"][0]["Fn::Sub"]: trigger[kind]["Fn::If"][chosen]["ConsumerGroupId"]["Fn::Sub"]
            for trigger in triggers
        } == {
            f"${{TopicPrefix}}{event.TOPIC}": f"${{TopicPrefix}}{event.CONSUMER_GROUP}"
            for event in (finished_event, request_event)
        }


def test_every_function_answers_before_api_gateway_gives_up() -> None:
    for function, _ in events("HttpApi"):
        assert FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"]) < 30


def test_every_function_runs_the_layer_s_python() -> None:
    layer = transformed.source()["Resources"]["CommonLayer"]

    assert layer["Metadata"]["BuildMethod"] == GLOBALS["Runtime"]
    assert layer["Properties"]["CompatibleRuntimes"] == [GLOBALS["Runtime"]]
    assert not any("Runtime" in properties for properties in FUNCTIONS.values())


# As the code sees it


def test_functions_are_those_of_the_folder() -> None:
    folders = {path.parent.name for path in (ROOT / "functions").glob("*/app.py")}

    assert FUNCTIONS.keys() == folders


def test_routes_are_those_of_the_handlers() -> None:
    declared = {(function, f"{event['Method']} {event['Path']}") for function, event in events("HttpApi")}

    handled = set()
    for function in {function for function, _ in declared}:
        source = (ROOT / "functions" / function / "app.py").read_text()
        handled |= {
            (function, key) for key in re.findall(r'[`"]((?:GET|POST|PUT|DELETE) /[^`"]*)[`"]', source)
        }
    assert declared == handled


@pytest.mark.parametrize("name", ["PRICES", "PRICES_ONLY"])
def test_whoever_sells_has_the_price_list(name: str) -> None:
    """Or checks it: `migrate`. No other function has it, since it is long."""
    having = {
        function
        for function, properties in FUNCTIONS.items()
        if properties.get("Environment", {}).get("Variables", {}).get(name)
    }
    assert having == {"create_session", "checkout_requests_consumer", "migrate", "web"}
    assert GLOBALS["Environment"]["Variables"][name] == ""


def test_a_page_of_another_origin_sees_the_headers_that_are_documented() -> None:
    paths = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    documented = {
        name.lower()
        for path, route in paths.items()
        if path.startswith("/checkout/")
        for operation in route.values()
        for answer in operation["responses"].values()
        for name in answer.get("headers", {})
    }
    cors = transformed.source()["Resources"]["Api"]["Properties"]["CorsConfiguration"]["Fn::If"][1]
    assert documented == set(cors["ExposeHeaders"])


def test_no_secret_is_in_the_template() -> None:
    declared = GLOBALS["Environment"]["Variables"]

    assert {name for name in SECRET_NAMES if declared[name] != ""} == {"CHECKOUT_DATABASE_URL"}
    assert "@" not in str(declared["CHECKOUT_DATABASE_URL"]), "on AWS its roles sign in by IAM"


# As a reader sees it


def test_the_example_marks_every_secret() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    marked = {line.partition("=")[0] for line in lines if "(secret)" in line and not line.startswith("#")}

    assert marked == SECRET_NAMES


def readme_rows() -> dict[str, tuple[str, str]]:
    """Setting → (default, what it is), as the README's table has them, without links."""
    section = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return {
        name: (default, re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", what))
        for names, default, what in rows
        for name in re.findall(r"`(\w+)`", names)
    }


def test_the_readme_s_table_has_every_setting() -> None:
    assert readme_rows().keys() == DECLARED.keys()


@pytest.mark.parametrize("name", DECLARED)
def test_the_readme_says_what_the_declaration_says(name: str) -> None:
    default, what = readme_rows()[name]
    declared = DECLARED[name]

    assert what == declared.what
    assert ("**required**" in default) == declared.is_required
    assert ("(secret)" in default) == isinstance(declared, Secret)
    if isinstance(declared, Setting) and type(declared.default) in (int, str):
        assert default.replace("`", "").split(" ")[0] == str(declared.default)


def test_the_example_names_no_setting_that_is_not_declared() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")}

    assert named - DECLARED.keys() == LOCAL
