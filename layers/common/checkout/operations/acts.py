"""An act of the operations: who has a verb run that changes something, and how it comes into the journal."""

import argparse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from checkout import bootstrap
from checkout.base.errors import CheckoutError
from checkout.operations import text
from checkout.operations.verbs import Outcome
from checkout.reconciliation.operator_journal import Act

_NOT_ARGUMENTS = frozenset(
    {"verb", "plan", "changes", "name", "operator", "yes", "json", "say", "most_seconds"}
)
_PERSONAL = frozenset({"email"})
"""The journal is never erased, so it does not have these."""


class Changes(Enum):
    """What a verb changes, and who answers for it."""

    NOTHING = "nothing"
    BY_RULE = "what the schedules would change, sooner or for a longer time: nobody decides anything"
    BY_DECISION = "what somebody decides, so they have to be named"


@dataclass(frozen=True, slots=True)
class Caller:
    """`identity` is the ARN that AWS says they have, `invocation` the request id of the function's run."""

    identity: str | None = None
    invocation: str | None = None


def changes_something(given: argparse.Namespace) -> bool:
    """False for what a schedule does every day, too: it would fill the journal with nothing."""
    if given.changes is Changes.BY_RULE:
        options = _arguments(given)
        return bool(options) and not options.get("dry_run")
    return given.changes is Changes.BY_DECISION


def recorded(given: argparse.Namespace, caller: Caller, plan: str | None) -> Outcome:
    """Run the verb between the act's two rows of the journal. Raises what the verb raises, and
    DatabaseUnavailable if the journal cannot be written."""
    act = Act(
        act_id=str(uuid.uuid4()),
        operator=given.operator,
        identity=caller.identity,
        invocation=caller.invocation,
        verb=given.name,
        arguments=_arguments(given),
    )
    journal = bootstrap.journal()
    journal.begin(act, {} if plan is None else {"plan": plan})
    try:
        outcome: Outcome = given.verb(given)
    except CheckoutError as error:
        journal.end(act, "refused" if error.status < 500 else "failed", {"reason": error.detail})
        raise
    except Exception as error:
        journal.end(act, "failed", {"reason": type(error).__name__})
        raise
    journal.end(act, "done", text.plain(outcome.content))
    return outcome


def _arguments(given: argparse.Namespace) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in vars(given).items()
        if name not in _NOT_ARGUMENTS | _PERSONAL and value is not None and value is not False
    }
