"""New versions of functions, as CodeDeploy has them judged before they get traffic."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from checkout.base import timing

_NOT_YET = ("TooManyRequestsException", "AccessDeniedException")
_PAUSES = (1.0, 2.0, 4.0, 8.0)


class Versions:
    def __init__(self, release: str | None) -> None:
        """`release` is that of the hook, whose list of versions may be an earlier one's."""
        # 0.5 s to import, and only here is it needed.
        import boto3
        from botocore.config import Config

        # A version that was asked is asked once: one that answers only the second time is not fit.
        patient = Config(read_timeout=timing.VERSION_READ, retries={"total_max_attempts": 1})
        self._lambda = boto3.client("lambda", config=patient)
        self._codedeploy = boto3.client("codedeploy")
        self._release = release

    def ask(self, version_arn: str, event: Mapping[str, str], deadline: float) -> str | None:
        """Return why a version is not fit: it failed the event, or it is not of the release that goes live.

        None if it is fit. One that may not be invoked yet is asked again until time.monotonic() passes
        `deadline`.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = _patiently(
                deadline, self._lambda.invoke, FunctionName=version_arn, Payload=json.dumps(event).encode()
            )
            content = json.loads(answer["Payload"].read())
            if answer.get("FunctionError") is not None:
                return f"{content.get('errorType')}: {content.get('errorMessage')}"
            # A hook that is not updated yet lists old versions, of its own release; the function is ahead.
            function = _patiently(
                deadline, self._lambda.get_function_configuration, FunctionName=version_arn.rpartition(":")[0]
            )
        except (BotoCoreError, ClientError) as error:
            return f"cannot be invoked: {error}"
        releases = (content.get("release"), function["Environment"]["Variables"].get("RELEASE") or None)
        if releases != (self._release, self._release):
            return f"is of release {releases[0]} and its function of {releases[1]}, not {self._release}"
        return None

    def report(self, deployment_id: str, execution_id: str, is_fit: bool) -> None:
        """Let CodeDeploy go on, or roll back. Raises what boto3 raises."""
        self._codedeploy.put_lifecycle_event_hook_execution_status(
            deploymentId=deployment_id,
            lifecycleEventHookExecutionId=execution_id,
            status="Succeeded" if is_fit else "Failed",
        )


def _patiently(deadline: float, call: Callable[..., Any], **arguments: Any) -> Any:
    from botocore.exceptions import ClientError

    pauses = iter(_PAUSES)
    while True:
        try:
            return call(**arguments)
        except ClientError as error:
            pause = next(pauses, _PAUSES[-1])
            if error.response["Error"]["Code"] not in _NOT_YET or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
