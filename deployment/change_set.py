"""A deployment in two steps: a change set, which somebody reads, and its execution.

CloudFormation executes none that was made before the stack changed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.exceptions import ClientError

from deployment import deploy, infrastructure, preflight, protection
from deployment.deploy import NotDeployed
from local.waiting import until

SECONDS = 110 * 60.0
"""A first deployment takes an hour, and the pipeline's session two."""

_PAUSE_SECONDS = 15.0
_REASONS = 5


def plan(environment: str, say: Callable[[str], None], **options: Any) -> str | None:
    """Build, and make a change set, which sam prints; `options` are those of deploy.

    Return its ARN; None if nothing would change. Raises what deploy raises, and NotDeployed if another change
    set was made at the same time: the one that people read must be the one that is executed.
    """
    stack = deploy.stack_name(environment)
    before = _available(stack)
    deploy.deploy(environment, lambda _: True, say, only_plan=True, **options)
    made = _available(stack) - before
    if len(made) > 1:
        raise NotDeployed(f"another change set of {stack} was made at the same time: plan again")
    return next(iter(made), None)


def execute(arn: str, say: Callable[[str], None]) -> None:
    """Execute it, and return once the stack is complete. Raises NotDeployed."""
    found = _client().describe_change_set(ChangeSetName=arn)
    stack = str(found["StackName"])
    if found["ExecutionStatus"] != "AVAILABLE":
        raise NotDeployed(
            f"the change set is {found['ExecutionStatus']}: the stack has changed since, plan again"
        )
    _client().execute_change_set(ChangeSetName=arn, DisableRollback=deploy.is_first(stack))
    if not until(lambda: _is_settled(preflight.status_of(stack)), SECONDS, _PAUSE_SECONDS):
        raise NotDeployed(f"{stack} is still {preflight.status_of(stack)}: its events say what it waits for")
    status = preflight.status_of(stack)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise NotDeployed(f"{stack} is {status}. {' '.join(_reasons(stack))}")
    say(f"{stack} is {status}")
    is_prod = {"ParameterKey": "Profile", "ParameterValue": "prod"} in found["Parameters"]
    if is_prod and infrastructure.has_functions(stack):
        protection.protect(stack)


def _available(stack: str) -> set[str]:
    try:
        pages = _client().get_paginator("list_change_sets").paginate(StackName=stack)
        found = [one for page in pages for one in page["Summaries"]]
    except ClientError as error:
        if "does not exist" in str(error):
            return set()
        raise
    return {str(one["ChangeSetId"]) for one in found if one["ExecutionStatus"] == "AVAILABLE"}


def _is_settled(status: str | None) -> bool:
    # None while a new stack is not being created yet.
    return status is not None and not status.endswith("_IN_PROGRESS")


def _reasons(stack: str) -> Iterator[str]:
    """The newest, which may be of an earlier deployment if this one has fewer."""
    events = _client().describe_stack_events(StackName=stack)["StackEvents"]
    failed = [one for one in events if one["ResourceStatus"].endswith("_FAILED")]
    for one in failed[:_REASONS]:
        yield f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', one['ResourceStatus'])}"


def _client() -> Any:
    return boto3.client("cloudformation")
