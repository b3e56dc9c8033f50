"""OperationsFunction, invoked with the AWS credentials of this process."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from checkout.base.errors import Unavailable
from checkout.operations import caller_identity

LONGEST_VERB_SECONDS = 330
"""Longer than the function may take."""


def operated(alias: str, words: Sequence[str]) -> Mapping[str, Any]:
    """The function's answer; `alias` is the ARN of its alias. It gets a proof of who calls, for its journal.

    Raises Unavailable if the function cannot be invoked, or fails.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    proof = caller_identity.proof(alias.split(":")[6], words)
    event = {"verb": words[0], "arguments": list(words[1:]), "identity": proof}
    try:
        answer = _client("lambda").invoke(FunctionName=alias, Payload=json.dumps(event).encode())
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise Unavailable(f"AWS refuses to invoke {alias}: {code}.") from error
    except BotoCoreError as error:
        raise Unavailable(f"AWS does not answer: {error}") from error
    payload = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise Unavailable(f"operations {words[0]} failed: {payload}")
    found: Mapping[str, Any] = json.loads(payload)
    return found


def alias_of(stack: str) -> str:
    """The ARN that the outputs of the CloudFormation stack have. Raises Unavailable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        [found] = _client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise Unavailable(f"The stack {stack} cannot be read: {error}") from error
    for output in found.get("Outputs", []):
        if output["OutputKey"] == "OperationsFunction":
            return str(output["OutputValue"])
    raise Unavailable(f"The stack {stack} has no output OperationsFunction: is it deployed by template.yaml?")


def _client(service: str) -> Any:
    import boto3
    from botocore.config import Config

    # A verb takes as long as the function may; a second attempt would repeat it.
    config = Config(read_timeout=LONGEST_VERB_SECONDS, retries={"total_max_attempts": 1})
    return boto3.client(service, config=config)  # type: ignore[call-overload]
