"""What counts against a release: what its own version answers, and not what Stripe fails at."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from checkout.api.http import Response, answering
from checkout.base import errors
from checkout.base.telemetry import metrics

EVENT = {
    "routeKey": "GET /health",
    "rawPath": "/health",
    "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/health", "sourceIp": "127.0.0.1"}},
}

CONTEXT = SimpleNamespace(function_name="checkout-AccountFunction-1", function_version="7")


def counted(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> tuple[int, set[tuple[str, frozenset[str]]]]:
    """The status, and each metric with its dimensions, as CloudWatch reads them from the log."""

    def fail(_: object) -> Response:
        raise error

    metrics.clear_metrics()
    answer = answering({"GET /health": fail})(dict(EVENT), CONTEXT)
    metrics.flush_metrics()
    found: set[tuple[str, frozenset[str]]] = set()
    for line in capsys.readouterr().out.splitlines():
        written: dict[str, Any] = json.loads(line)
        for directive in written.get("_aws", {}).get("CloudWatchMetrics", ()):
            found |= {
                (metric["Name"], frozenset(dimensions))
                for metric in directive["Metrics"]
                for dimensions in directive["Dimensions"]
            }
    return int(answer["statusCode"]), found


OF_SERVICE = frozenset({"service"})
OF_VERSION = frozenset({"service", "FunctionName", "ExecutedVersion"})


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("a mistake of ours"), 500),
        (errors.DatabaseUnavailable("away"), 503),
        (errors.StripeRefusedForGood("parameters that Stripe never takes"), 502),
        (errors.StripeObjectMissing("of another account"), 502),
    ],
)
def test_what_is_ours_counts_against_the_version(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert counted(error, capsys) == (
        status,
        {("ServerErrors", OF_SERVICE), ("ServerErrors", OF_VERSION)},
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.StripeOutcomeUnknown("no answer"),
        errors.StripeNotReached("429"),
        errors.StripeKeyInUse("409"),
        errors.StripeRefused("500"),
    ],
)
def test_what_stripe_fails_at_counts_against_nobody(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert counted(error, capsys) == (502, {("StripeErrors", OF_SERVICE)})


@pytest.mark.parametrize("error", [errors.StripeRefusedField("x"), errors.InvalidRequest("x")])
def test_what_the_caller_got_wrong_counts_nowhere(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert counted(error, capsys) == (400, set())


def test_the_version_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> Response:
        raise RuntimeError("a mistake of ours")

    answering({"GET /health": fail})(dict(EVENT), CONTEXT)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [written] = [line for line in lines if "ExecutedVersion" in line]
    assert (written["FunctionName"], written["ExecutedVersion"]) == ("checkout-AccountFunction-1", "7")
    assert written["service"] == metrics.service
    assert written["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Checkout"
