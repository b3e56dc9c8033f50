"""A release is judged by what its own versions do."""

import pytest

from tests.infrastructure import whole

RESOURCES = whole.resources(whole.source(), {"Profile": "prod"})
GROUPS = [path for path, one in RESOURCES.items() if one["Type"] == "AWS::CodeDeploy::DeploymentGroup"]
ANSWERING = ("CreateSession", "Account", "StripeWebhook")
"""The functions that answer 5xx instead of failing."""


def dimensions(alarm: str) -> dict[str, set[str]]:
    """By metric, the names of the dimensions that an alarm judges by."""
    metrics = [one["MetricStat"]["Metric"] for one in RESOURCES[alarm]["Properties"]["Metrics"][1:]]
    return {one["MetricName"]: {each["Name"] for each in one["Dimensions"]} for one in metrics}


@pytest.mark.parametrize("group", GROUPS)
def test_every_alarm_of_a_release_is_of_one_version(group: str) -> None:
    alarms = RESOURCES[group]["Properties"]["AlarmConfiguration"]["Alarms"]
    assert alarms
    for alarm in alarms:
        for metric, names in dimensions(alarm["Name"].strip("<>")).items():
            assert {"FunctionName", "ExecutedVersion"} <= names, metric


@pytest.mark.parametrize("function", ANSWERING)
def test_what_a_version_answers_is_judged_with_what_it_fails_at(function: str) -> None:
    rate, *_ = RESOURCES[f"{function}ReleaseAlarm"]["Properties"]["Metrics"]

    assert "ServerErrors" in dimensions(f"{function}ReleaseAlarm")
    # A metric that was never counted has no data, and a sum with it would have none either.
    assert rate["Expression"] == "100 * (errors + FILL(answered, 0)) / invocations"
