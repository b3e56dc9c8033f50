"""New versions of functions, as CodeDeploy has them judged before they get traffic."""

import json
import time
from collections.abc import Mapping
from typing import Any

READ_TIMEOUT_SECONDS = 60
"""A cold start, and a database that is waking up."""

RETRY_SECONDS = 60.0
"""Other hooks take the account's environments meanwhile, and IAM takes a while to know what a role may do."""

_NOT_YET = ("TooManyRequestsException", "AccessDeniedException")
_PAUSES = (1.0, 2.0, 4.0, 8.0)


class Versions:
    def __init__(self) -> None:
        # 0.5 s to import, and only here is it needed.
        import boto3
        from botocore.config import Config

        # A version that was asked is asked once: one that answers only the second time is not fit.
        patient = Config(read_timeout=READ_TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
        self._lambda = boto3.client("lambda", config=patient)
        self._codedeploy = boto3.client("codedeploy")

    def ask(self, version_arn: str, event: Mapping[str, str]) -> str | None:
        """None where the version handled the event, else why not. One that may not be invoked yet is given
        RETRY_SECONDS."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._invoke(version_arn, json.dumps(event).encode())
        except (BotoCoreError, ClientError) as error:
            return f"cannot be invoked: {error}"
        if answer.get("FunctionError") is None:
            return None
        failure = json.loads(answer["Payload"].read())
        return f"{failure.get('errorType')}: {failure.get('errorMessage')}"

    def _invoke(self, version_arn: str, payload: bytes) -> Any:
        from botocore.exceptions import ClientError

        deadline = time.monotonic() + RETRY_SECONDS
        pauses = iter(_PAUSES)
        while True:
            try:
                return self._lambda.invoke(FunctionName=version_arn, Payload=payload)
            except ClientError as error:
                pause = next(pauses, _PAUSES[-1])
                if error.response["Error"]["Code"] not in _NOT_YET or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)

    def report(self, deployment_id: str, execution_id: str, is_fit: bool) -> None:
        """Let CodeDeploy go on, or roll back. Raises what boto3 raises."""
        self._codedeploy.put_lifecycle_event_hook_execution_status(
            deploymentId=deployment_id,
            lifecycleEventHookExecutionId=execution_id,
            status="Succeeded" if is_fit else "Failed",
        )
