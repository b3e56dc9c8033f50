"""Whose metrics they are."""

import json
import os
import subprocess
import sys

import pytest

from tests.infrastructure.transformed import ROOT

PROGRAM = """
from checkout import telemetry
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
