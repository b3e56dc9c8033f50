"""CodeDeploy's hook before new versions get traffic: it succeeds where each passes its self-check."""

from typing import Any

from checkout import bootstrap
from checkout.base.telemetry import instrumented


def judge(event: dict[str, Any], _context: object) -> dict[str, bool]:
    is_fit = bootstrap.judge_new_versions()(event["DeploymentId"], event["LifecycleEventHookExecutionId"])
    return {"fit": is_fit}


handler = instrumented(judge)
