"""Whose metrics they are."""

import json
import os
import subprocess
import sys

import pytest

from tests.infrastructure.transformed import ROOT

LOGS = """
from checkout.base import telemetry
telemetry.alert("RecordParked", "parked", request_id="\\ud800\\x1b[2J\\u202e", currency="€")
"""
PROGRAM = """
from checkout.base import telemetry
telemetry.count("CreditsEntered")
telemetry.metrics.flush_metrics()
"""


@pytest.mark.parametrize(("given", "service"), [("shop-prod", "shop-prod"), ("", "checkout")])
def test_metrics_are_of_the_stack(given: str, service: str) -> None:
    """In a process of its own: it is settled at import."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "POWERTOOLS_SERVICE_NAME": given, "PYTHONPATH": str(ROOT / "layers" / "common")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["service"] == service


def test_an_alert_is_written_at_once_whatever_is_in_it() -> None:
    """A lone surrogate has no bytes: an alert would be lost because of what it is about. Its metric is there
    before the invocation has ended."""
    done = subprocess.run(
        [sys.executable, "-c", LOGS],
        env={**os.environ, "PYTHONPATH": str(ROOT / "layers" / "common")},
        capture_output=True,
        text=True,
        check=True,
    )
    line, metric = done.stdout.splitlines()
    assert line.isprintable()
    assert json.loads(line)["request_id"] == "\ud800\x1b[2J\u202e"
    assert "€" in line
    assert json.loads(metric)["RecordParked"] == [1.0]
    assert done.stderr == ""
