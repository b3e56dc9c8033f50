"""A version with SnapStart stays ready: Lambda drops its snapshot after 14 days without an invocation."""

import json
from typing import Any

import pytest

from checkout.release.self_check import EVENT
from local.lambda_runtime.template import seconds
from tests.infrastructure import whole

DAYS_UNTIL_INACTIVE = 14
RESOURCES = whole.resources(whole.source(), {"Profile": "dev"})
WITH_SNAPSHOT = sorted(
    path
    for path, one in RESOURCES.items()
    if one["Type"] == "AWS::Lambda::Function" and "SnapStart" in one["Properties"]
)


def invocations(function: str) -> list[dict[str, Any]]:
    """The schedules that invoke the version which API Gateway invokes, too."""
    alias = f"<{function}Aliaslive>"
    return [
        {**target, "every": seconds(one["Properties"]["ScheduleExpression"])}
        for one in RESOURCES.values()
        if one["Type"] == "AWS::Events::Rule" and "ScheduleExpression" in one["Properties"]
        for target in one["Properties"]["Targets"]
        if target["Arn"] == alias
    ]


def test_there_are_such_functions() -> None:
    assert WITH_SNAPSHOT == ["AccountFunction", "CreateSessionFunction", "StripeWebhookFunction"]


@pytest.mark.parametrize("function", WITH_SNAPSHOT)
def test_nobody_is_refused_after_two_quiet_weeks(function: str) -> None:
    """One invocation may be missed."""
    [found] = invocations(function)

    assert json.loads(found["Input"]) == EVENT
    assert 2 * found["every"] <= DAYS_UNTIL_INACTIVE * 86_400
    assert "DeadLetterConfig" in found
