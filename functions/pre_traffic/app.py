"""CodeDeploy's hook before new versions get traffic: it succeeds if each passes its self-check."""

import os
from typing import Any

from checkout.base.config import Config
from checkout.base.telemetry import instrumented
from checkout.system import System

system = System(Config(os.environ))
system.prepare("judge_new_versions")


def judge(event: dict[str, Any], _context: object) -> dict[str, bool]:
    is_fit = system.judge_new_versions(event["DeploymentId"], event["LifecycleEventHookExecutionId"])
    return {"fit": is_fit}


handler = instrumented(judge)
