"""When alarms are raised, and what of: by the resources of both profiles."""

import re
from typing import Any

import pytest

from tests.infrastructure import whole
from tests.infrastructure.transformed import Resource

SOURCE = whole.source()


def resources(**parameters: str) -> dict[str, Resource]:
    return whole.resources(SOURCE, {"Profile": "dev"} | parameters)


def properties(path: str, **parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = resources(**parameters)[path]["Properties"]
    return found


def calculated(formula: str, **metrics: float) -> float:
    """The value of the formula, read as Python, which gives it the same meaning."""
    functions = {"IF": lambda given, yes, no: yes if given else no, "SUM": sum}
    return float(eval(formula, functions, metrics))  # noqa: S307


@pytest.mark.parametrize(
    ("missed", "received", "is_raised"),
    [
        (1, 0, False),
        (2, 0, False),
        (3, 0, True),
        (3, 1000, False),
        (10_000, 1000, True),
        (60, 1000, True),
        (50, 1000, False),
    ],
)
def test_lost_webhooks_are_an_alarm_once_they_are_no_exception(
    missed: int, received: int, is_raised: bool
) -> None:
    """Within a day."""
    alarm = properties("Monitoring.MissedEventsAlarm")
    share, *counted = alarm["Metrics"]
    percent = calculated(share["Expression"], missed=missed, received=received)
    assert (percent > alarm["Threshold"]) is is_raised
    assert {one["Id"]: one["MetricStat"]["Metric"]["MetricName"] for one in counted} == {
        "missed": "MissedEvents",
        "received": "EventsReceived",
    }
    assert {one["MetricStat"]["Period"] for one in counted} == {86_400}


@pytest.mark.parametrize("speed", ["Fast", "Slow"])
@pytest.mark.parametrize(
    ("failed", "requests", "is_raised"),
    [(1, 10, False), (2, 50, False), (3, 100, True), (3, 1000, False), (200, 10_000, True)],
)
def test_one_answer_of_a_quiet_night_is_no_objective_that_is_missed(
    speed: str, failed: int, requests: int, is_raised: bool
) -> None:
    alarm = properties(f"Monitoring.AvailabilityBurns{speed}Long")
    percent = calculated(alarm["Metrics"][0]["Expression"], failed=failed, requests=requests)

    assert (percent > alarm["Threshold"]) is is_raised


def percentile_rank(statistic: str, values: list[int]) -> float:
    """As CloudWatch defines it: exclusive on the lower bound, inclusive on the upper one."""
    found = re.fullmatch(r"PR\((\d*):(\d+)\)", statistic)
    assert found
    least, most = float(found[1] or "-inf"), float(found[2])
    return 100 * len([value for value in values if least < value <= most]) / len(values)


@pytest.mark.parametrize("part", ["FastLong", "FastShort", "SlowLong", "SlowShort"])
@pytest.mark.parametrize(
    ("seconds", "is_raised"),
    [
        ([0] * 100, False),
        ([0] * 99 + [300], False),
        ([60] * 100, False),
        ([0] * 80 + [61] * 20, True),
        ([61] * 3, True),
        ([0] * 6 + [61] * 3, True),
    ],
)
def test_credits_within_a_minute_are_no_alarm(part: str, seconds: list[int], is_raised: bool) -> None:
    """The metric has whole seconds, and most credits take 0."""
    assert is_burning(part, seconds) is is_raised


def is_burning(part: str, seconds: list[int]) -> bool:
    alarm = properties(f"Monitoring.CreditingBurns{part}")
    assert alarm["ComparisonOperator"] == "LessThanThreshold"
    if "ExtendedStatistic" in alarm:
        return percentile_rank(alarm["ExtendedStatistic"], seconds) < float(alarm["Threshold"])
    formula, within, credits = alarm["Metrics"]
    assert credits["MetricStat"]["Stat"] == "SampleCount"
    rank = percentile_rank(within["MetricStat"]["Stat"], seconds)
    return calculated(formula["Expression"], within=rank, credits=len(seconds)) < float(alarm["Threshold"])


@pytest.mark.parametrize("speed", ["Fast", "Slow"])
def test_a_late_credit_or_two_of_a_quiet_night_are_no_objective_that_is_missed(speed: str) -> None:
    assert not is_burning(f"{speed}Long", [0, 90, 90])
    assert is_burning(f"{speed}Long", [0, 90, 90, 90])


DEPLOYING = {"MigrateFunction", "PreTrafficFunction"}
"""A deployment waits for them, and fails without."""


def test_throttles_are_those_of_our_functions_and_of_no_other_in_the_account() -> None:
    formula, *counted = properties("ThrottlesAlarm")["Metrics"]
    functions = {path for path, one in resources().items() if one["Type"] == "AWS::Lambda::Function"}

    assert formula["Expression"] == "SUM(METRICS())"
    dimensions = [one["MetricStat"]["Metric"]["Dimensions"] for one in counted]
    assert sorted(dimensions, key=str) == [
        [{"Name": "FunctionName", "Value": f"<{path}>"}] for path in sorted(functions - DEPLOYING)
    ]
    assert len(counted) <= 10, "CloudWatch takes no more in one alarm"


@pytest.mark.parametrize(
    ("parameters", "are_there"),
    [
        ({"Profile": "dev"}, False),
        ({"Profile": "dev", "Pollers": "provisioning"}, True),
        ({"Profile": "dev", "Pollers": "provisioned"}, True),
        ({"Profile": "prod"}, True),
        ({"Profile": "prod", "Pollers": "on-demand"}, False),
    ],
)
def test_a_trigger_has_an_alarm_if_it_publishes_what_that_watches(
    parameters: dict[str, str], are_there: bool
) -> None:
    found = resources(**parameters)
    publishing = {
        f"<{path}>"
        for path, one in found.items()
        if "ErrorCount" in one.get("Properties", {}).get("MetricsConfig", {}).get("Metrics", ())
    }
    watched = {
        one["Properties"]["Dimensions"][0]["Value"]
        for one in found.values()
        if one.get("Properties", {}).get("MetricName") == "PollingErrorCount"
    }
    assert watched == publishing
    assert bool(watched) is are_there


def test_the_proxy_s_metrics_are_asked_for_by_its_name_in_lower_case() -> None:
    """RDS keeps it so, and begins the endpoint with it. A `Ref` has the capitals of the template."""
    written = str(resources(Profile="prod")["Database.DatabaseProxy"]["Properties"]["DBProxyName"])
    assert written != written.lower()

    def name(path: str, kind: str, attribute: str | None) -> str:
        if (kind, attribute) == ("AWS::RDS::DBProxy", None):
            return written
        if (kind, attribute) == ("AWS::RDS::DBProxy", "Endpoint"):
            return f"{written.lower()}.proxy-x.eu-central-1.rds.amazonaws.com"
        return whole.symbol(path, kind, attribute)

    alarm = whole.resources(SOURCE, {"Profile": "prod"}, name)["Database.ProxyBorrowLatencyAlarm"]
    assert alarm["Properties"]["Dimensions"] == [{"Name": "ProxyName", "Value": written.lower()}]
