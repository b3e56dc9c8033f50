"""Requests that are made from the document, against a running stack: nothing undocumented, and no 5xx."""

from pathlib import Path

import pytest

from tests.contracts.documents import openapi, operations
from tests.contracts.fuzzing import SETTINGS, fuzz
from tests.support.running_stack import RunningStack

SEED, EXAMPLES = 14, 70


@pytest.mark.timeout(240)
def test_every_answer_to_made_up_requests_is_documented(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "project", **SETTINGS) as stack:
        report = fuzz(stack, SEED, EXAMPLES)

    assert report.problems == [], report
    assert report.statuses.keys() == operations(openapi()).keys()
    assert report.requests >= 4 * EXAMPLES
    # The requests got past the gate.
    assert report.statuses["POST /checkout/sessions"].keys() >= {200, 201, 400, 401}
    assert 200 in report.statuses["GET /checkout/sessions/{request_id}"]
    assert 200 in report.statuses["GET /balance/{asset}"]
    assert report.statuses["POST /webhooks/stripe"].keys() >= {200, 400}
    assert report.statuses["GET /checkout/transactions"].keys() >= {200, 400, 401}
