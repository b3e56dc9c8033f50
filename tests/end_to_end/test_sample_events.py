"""Every file of events/, invoked from the command line while a stack runs."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkout.payments.stripe_event import API_VERSION
from local.lambda_runtime import template
from tests.support.running_stack import RunningStack
from tests.support.samples import ANSWERS, EVENTS, RESULTS, check, event

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with RunningStack(tmp_path_factory.mktemp("samples") / "project") as running:
        yield running


def invoke(stack: RunningStack, sample: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "local", "invoke", sample.partition("/")[0], "-e", EVENTS / f"{sample}.json"],
        cwd=stack.folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("sample", [*ANSWERS, *RESULTS])
def test_sample(stack: RunningStack, sample: str) -> None:
    check(sample, invoke(stack, sample))


def test_the_samples_of_one_payment_credit_it_once_and_park_what_contradicts_it(stack: RunningStack) -> None:
    for sample in (
        "stripe_webhook/paid",
        "stripe_webhook/async_succeeded",
        "checkout_finished_consumer/mixed",
    ):
        invoke(stack, sample)

    stack.until_settled()
    assert stack.entries(1) == [500, 500]
    parked = stack.application(
        "SELECT kafka_offset FROM parked_events WHERE topic = 'checkout.finished' ORDER BY id"
    )
    assert [row["kafka_offset"] for row in parked] == [3, 4]


def test_every_function_has_samples_and_every_sample_is_invoked_here() -> None:
    samples = {str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.glob("*/*.json")}
    declared = template.load(ROOT / "template.yaml")

    assert samples == ANSWERS.keys() | RESULTS.keys()
    # Only CodeDeploy asks the hook, and waits for its answer; none of it is on this machine.
    assert {sample.partition("/")[0] for sample in samples} == declared.functions.keys() - {"pre_traffic"}


def test_every_route_has_a_sample_and_no_sample_another_route() -> None:
    declared = template.load(ROOT / "template.yaml")
    routes = {(route.function, route.key) for route in declared.routes}

    assert {(sample.partition("/")[0], event(sample)["routeKey"]) for sample in ANSWERS} == routes


@pytest.mark.parametrize("sample", [sample for sample in ANSWERS if sample.startswith("stripe_webhook/")])
def test_a_sample_from_stripe_is_of_our_api_version(sample: str) -> None:
    assert json.loads(event(sample)["body"])["api_version"] == API_VERSION


def test_records_are_those_of_the_trigger() -> None:
    topics = {one.function: one.topic for one in template.load(ROOT / "template.yaml").kafka_triggers}
    for sample in RESULTS:
        for records in event(sample).get("records", {}).values():
            assert {record["topic"] for record in records} == {topics[sample.partition("/")[0]]}
            assert {base64.b64decode(record["key"]) for record in records} == {b"1"}
