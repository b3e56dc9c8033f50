"""Every file of events/ in Lambda's own containers.

Each function's first goes through `sam local invoke`, which ends 0 even if the function failed; the others
through `sam local start-lambda`, whose containers are warm.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local.lambda_runtime import template
from local.sam import command, engine
from tests.support.project import ROOT
from tests.support.running_stack import RunningStack
from tests.support.samples import ANSWERS, EVENTS, RESULTS, check

SAMPLES = [*ANSWERS, *RESULTS]
FIRST = {sample.partition("/")[0]: sample for sample in reversed(SAMPLES)}.values()
"""The first sample of each function."""

SECONDS = 120


def invoked(stack: RunningStack, function: str, event: bytes) -> bytes:
    done = subprocess.run(
        command.local("invoke", stack.folder / ".local", engine.address(), function, "-e", "-"),
        cwd=stack.folder,
        env=command.environment(),
        input=event,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout, done.stderr.decode()[-3000:]
    return done.stdout


def answered(stack: RunningStack, function: str, event: bytes) -> bytes:
    started = stack.child("start-lambda").cmdline()
    port = started[started.index("--port") + 1]
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations"
    return requests.post(url, event, timeout=SECONDS).content


@pytest.mark.parametrize("sample", SAMPLES)
def test_sample(stack: RunningStack, sample: str) -> None:
    function = template.load(ROOT / "template.yaml").functions[sample.partition("/")[0]]
    signed = subprocess.run(
        [sys.executable, "-m", "local", "sign", "--event", EVENTS / f"{sample}.json"],
        cwd=stack.folder,
        env={},
        capture_output=True,
        check=True,
    )
    way: Callable[[RunningStack, str, bytes], bytes] = invoked if sample in FIRST else answered
    said = way(stack, function.logical_id, signed.stdout)
    try:
        result: Any = json.loads(said)
    except ValueError:
        pytest.fail(f"{said!r}\n{stack.log[-3000:]}")
    check(sample, result)
