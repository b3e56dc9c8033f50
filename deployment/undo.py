"""Takes back a deployment that failed and was not rolled back."""

import time
from collections.abc import Callable
from typing import Any

import boto3

from deployment import preflight
from deployment.deploy import NotDeployed

FAILED = ("CREATE_FAILED", "UPDATE_FAILED")
"""What RollbackStack takes."""

SECONDS = 90 * 60.0
"""Brokers and a database take half an hour to go, Lambda's interfaces up to 40 minutes."""

_PAUSE_SECONDS = 30.0


def undo(stack: str, confirm: Callable[[str], bool], say: Callable[[str], None]) -> None:
    """Back to the last state that was complete; a stack that never was complete is deleted.

    What the failed deployment made goes with it, also what would be retained. Raises NotDeployed.
    """
    status = preflight.status_of(stack)
    if status not in FAILED:
        raise NotDeployed(f"{stack} is {status or 'not there'}: only {' or '.join(FAILED)} can be undone")
    say(f"{stack} is {status}: what its last deployment made is deleted, databases and brokers among it")
    if not confirm(f"Undo the deployment of {stack}"):
        raise NotDeployed("not confirmed, so nothing was changed")
    _client().rollback_stack(StackName=stack, RetainExceptOnCreate=True)
    deadline = time.monotonic() + SECONDS
    while (status := preflight.status_of(stack)) in FAILED or (status or "").endswith("_IN_PROGRESS"):
        if time.monotonic() > deadline:
            raise NotDeployed(f"{stack} is still {status}: its events say what it waits for")
        time.sleep(_PAUSE_SECONDS)
    if status is not None and not status.endswith("_COMPLETE"):
        raise NotDeployed(f"{stack} is {status}: its events name what could not be undone")
    say(f"{stack} is {'gone' if status is None else status}")


def _client() -> Any:
    return boto3.client("cloudformation")
