"""Every file of events/ through `sam local invoke`, which ends 0 even where the function failed."""

import json
import subprocess
import sys
from typing import Any

import pytest

from local.lambda_runtime import template
from local.sam import command, engine
from tests.support.project import ROOT
from tests.support.running_stack import RunningStack
from tests.support.samples import ANSWERS, EVENTS, RESULTS, check


def invoke(stack: RunningStack, sample: str) -> Any:
    function = template.load(ROOT / "template.yaml").functions[sample.partition("/")[0]]
    signed = subprocess.run(
        [sys.executable, "-m", "local", "sign", "--event", EVENTS / f"{sample}.json"],
        cwd=stack.folder,
        env={},
        capture_output=True,
        check=True,
    )
    done = subprocess.run(
        command.local("invoke", stack.folder / ".local", engine.address(), function.logical_id, "-e", "-"),
        cwd=stack.folder,
        env=command.environment(),
        input=signed.stdout,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    try:
        return json.loads(done.stdout)
    except ValueError:
        pytest.fail(f"{done.stdout!r}\n{done.stderr.decode()[-3000:]}")


@pytest.mark.parametrize("sample", [*ANSWERS, *RESULTS])
def test_sample(stack: RunningStack, sample: str) -> None:
    check(sample, invoke(stack, sample))
