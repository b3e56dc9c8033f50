"""template.yaml: valid once transformed, and in agreement with the code, .env.example and the README."""

import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from tests.infrastructure import transformed
from tests.infrastructure.transformed import ROOT

CONFIG = ROOT / "layers" / "common" / "checkout" / "config.py"
GLOBALS = transformed.source()["Globals"]["Function"]

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


def settings_read() -> set[str]:
    """The names that checkout/config.py asks for."""
    return set(re.findall(r'(?:self\._\w+|environment\.get)\("([A-Z][A-Z0-9_]+)"', CONFIG.read_text()))


def secrets_read() -> set[str]:
    return set(re.findall(r'_(?:secret|several|optional_secret)\("(\w+)"\)', CONFIG.read_text()))


# As CloudFormation sees it


def test_cfn_lint_finds_nothing_in_the_transformed_template() -> None:
    config = ManualArgs(regions=[transformed.REGION])

    assert [str(match) for match in lint(transformed.text(), config=config)] == []


@pytest.mark.parametrize("name", transformed.resources("AWS::Lambda::EventSourceMapping"))
def test_a_kafka_trigger_neither_skips_nor_gives_up(name: str) -> None:
    trigger = transformed.resources("AWS::Lambda::EventSourceMapping")[name]

    assert trigger["StartingPosition"] == "TRIM_HORIZON"
    assert trigger["MaximumRetryAttempts"] == -1
    assert trigger.get("MaximumRecordAgeInSeconds", -1) == -1
    assert "DestinationConfig" not in trigger
    assert "FilterCriteria" not in trigger
    assert trigger["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert trigger["ProvisionedPollerConfig"]["MinimumPollers"] >= 1
    assert trigger["AmazonManagedKafkaEventSourceConfig"]["ConsumerGroupId"]
    assert len(trigger["Topics"]) == 1


def test_each_trigger_has_a_topic_and_a_consumer_group_of_its_own() -> None:
    triggers = [properties for _, properties in events("MSK")]

    assert "checkout.finished" in {trigger["Topics"][0] for trigger in triggers}
    assert len({trigger["Topics"][0] for trigger in triggers}) == len(triggers)
    assert len({trigger["ConsumerGroupId"] for trigger in triggers}) == len(triggers)


def test_consumers_may_read_the_cluster() -> None:
    needed = {"Connect", "DescribeCluster", "DescribeTopic", "ReadData", "DescribeGroup", "AlterGroup"}
    for function, _ in events("MSK"):
        statements = [
            statement
            for policy in FUNCTIONS[function]["Policies"]
            for statement in policy.get("Statement", [])
        ]
        allowed = {action.removeprefix("kafka-cluster:") for one in statements for action in one["Action"]}
        assert allowed >= needed


def test_every_function_answers_before_api_gateway_gives_up() -> None:
    for function, _ in events("HttpApi"):
        assert FUNCTIONS[function].get("Timeout", GLOBALS["Timeout"]) < 30


def test_every_function_runs_the_layer_s_python() -> None:
    layer = transformed.source()["Resources"]["CommonLayer"]

    assert layer["Metadata"]["BuildMethod"] == GLOBALS["Runtime"]
    assert layer["Properties"]["CompatibleRuntimes"] == [GLOBALS["Runtime"]]
    assert (
        layer["Metadata"]["BuildArchitecture"]
        == transformed.source()["Parameters"]["Architecture"]["Default"]
    )
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


def test_every_setting_is_declared() -> None:
    declared = GLOBALS["Environment"]["Variables"].keys()

    # `sam local` fills in only what is declared.
    assert settings_read() - declared == set()
    assert {name for name in declared if not name.startswith("POWERTOOLS_")} - settings_read() == {
        "STRIPE_KEY"
    }


def test_no_secret_is_in_the_template() -> None:
    declared = GLOBALS["Environment"]["Variables"]

    assert secrets_read()
    assert {declared[name] for name in secrets_read()} == {""}


# As a reader sees it


def test_the_example_marks_every_secret() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    marked = {line.partition("=")[0] for line in lines if "(secret)" in line and not line.startswith("#")}

    assert marked == secrets_read()


def test_the_readme_s_table_has_every_setting() -> None:
    section = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == settings_read()


def test_the_readme_names_every_parameter() -> None:
    section = (ROOT / "README.md").read_text().partition("## On AWS")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    named = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    assert named == transformed.source()["Parameters"].keys()
