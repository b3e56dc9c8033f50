"""Undoes a failed deployment that was not rolled back."""

from collections.abc import Callable
from typing import Any

import boto3

from deployment import preflight
from deployment.deploy import NotDeployed
from local.waiting import until

FAILED = ("CREATE_FAILED", "UPDATE_FAILED")
"""The statuses that RollbackStack accepts."""

SECONDS = 90 * 60.0
"""Deleting brokers and a database takes half an hour, and Lambda's interfaces up to 40 minutes."""

_PAUSE_SECONDS = 30.0


def undo(stack: str, confirm: Callable[[str], bool], say: Callable[[str], None]) -> None:
    """Go back to the last complete state; a stack that was never complete is deleted.

    What the failed deployment made is deleted, even what would otherwise be retained. Raises NotDeployed.
    """
    status = preflight.status_of(stack)
    if status not in FAILED:
        raise NotDeployed(f"{stack} is {status or 'not there'}: only {' or '.join(FAILED)} can be undone")
    say(f"{stack} is {status}: what its last deployment made is deleted, databases and brokers among it")
    if not confirm(f"Undo the deployment of {stack}"):
        raise NotDeployed("not confirmed, so nothing was changed")
    _client().rollback_stack(StackName=stack, RetainExceptOnCreate=True)
    if not until(lambda: _is_settled(preflight.status_of(stack)), SECONDS, _PAUSE_SECONDS):
        raise NotDeployed(f"{stack} is still {preflight.status_of(stack)}: its events say what it waits for")
    status = preflight.status_of(stack)
    if status is not None and not status.endswith("_COMPLETE"):
        raise NotDeployed(f"{stack} is {status}: its events name what could not be undone")
    say(f"{stack} is {'gone' if status is None else status}")


def _is_settled(status: str | None) -> bool:
    return status not in FAILED and not (status or "").endswith("_IN_PROGRESS")


def _client() -> Any:
    return boto3.client("cloudformation")
