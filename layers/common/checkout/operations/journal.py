"""The journal of the operations: who ran which verb, and what came of it.

An act is written down before anything changes, and its end after. So if the process dies between the two,
the journal has the act without an end; to run the verb again is safe.
"""

import argparse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkout.base import telemetry
from checkout.base.errors import CheckoutError, DatabaseUnavailable
from checkout.operations import text
from checkout.operations.verb import Changes, Outcome, Verb
from checkout.reconciliation import operator_journal as journal
from checkout.reconciliation.operator_journal import Act, Step
from checkout.system import System

_NOT_ARGUMENTS = frozenset({"verb", "operator", "yes", "json", "say", "most_seconds", "caller"})
_PERSONAL = frozenset({"email"})
"""The journal is never erased, so it does not have these."""


@dataclass(frozen=True, slots=True)
class Caller:
    """`identity` is the ARN that AWS says they have, `invocation` the request id of the function's run."""

    identity: str | None = None
    invocation: str | None = None


def is_due(given: argparse.Namespace) -> bool:
    """True if the verb changes something, except what a schedule does every day, which would fill the journal
    with nothing."""
    verb: Verb = given.verb
    if verb.changes is Changes.BY_RULE:
        options = _arguments(given)
        return bool(options) and not options.get("dry_run")
    return verb.changes is Changes.BY_DECISION


def recorded(given: argparse.Namespace, system: System, plan: str | None) -> Outcome:
    """Run the verb between the act's two rows of the journal; `given.caller` is who calls. Raises what the
    verb raises, and DatabaseUnavailable if the journal cannot be written."""
    verb: Verb = given.verb
    caller: Caller = given.caller
    act = Act(
        act_id=str(uuid.uuid4()),
        operator=given.operator,
        identity=caller.identity,
        invocation=caller.invocation,
        verb=verb.name,
        arguments=_arguments(given),
    )
    kept = Journal(system)
    kept.begin(act, {} if plan is None else {"plan": plan})
    try:
        outcome = verb.run(given, system)
    except CheckoutError as error:
        kept.end(act, "refused" if error.status < 500 else "failed", {"reason": error.detail})
        raise
    except Exception as error:
        kept.end(act, "failed", {"reason": type(error).__name__})
        raise
    kept.end(act, "done", text.plain(outcome.content))
    return outcome


def all_arguments(given: argparse.Namespace) -> Mapping[str, Any]:
    """Also those that were not given."""
    return {name: value for name, value in vars(given).items() if name not in _NOT_ARGUMENTS}


def _arguments(given: argparse.Namespace) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in all_arguments(given).items()
        if name not in _PERSONAL and value is not None and value is not False
    }


class Journal:
    """Kept in both databases: it survives the restore of one of them."""

    def __init__(self, system: System) -> None:
        self._databases = system.checkout_database, system.application_database

    def begin(self, act: Act, details: Mapping[str, object]) -> None:
        """`details` say what is about to change. Raises DatabaseUnavailable if neither database takes it:
        then nothing may be changed."""
        if not self._add(act, "begun", details):
            raise DatabaseUnavailable("The journal cannot be written, so nothing was changed; try again.")

    def end(self, act: Act, step: Step, details: Mapping[str, object]) -> None:
        """`details` say what has changed, or why nothing has. Never raises for a database that is away: what
        was done is done."""
        if not self._add(act, step, details):
            telemetry.logger.error(
                "an act's end is not in the journal", extra={"act": act.act_id, "end": step}
            )

    def newest(
        self, *, operator: str | None, verb: str | None, since: datetime | None, limit: int
    ) -> list[dict[str, Any]]:
        """Acts, newest first; `end` is null if the process died or still runs.

        Raises DatabaseUnavailable only if neither database answers.
        """
        acts: dict[str, dict[str, Any]] = {}
        answered = 0
        for database in self._databases:
            try:
                with database.transaction() as tx:
                    rows = journal.newest(tx, operator=operator, verb=verb, since=since, limit=limit)
            except DatabaseUnavailable:
                continue
            answered += 1
            for row in rows:
                known = acts.setdefault(row["act_id"], row)
                known["steps"] |= row["steps"]
        if not answered:
            raise DatabaseUnavailable("The database is not available; try again.")
        ordered = sorted(acts.values(), key=lambda row: row["at"], reverse=True)
        return [_shown(row) for row in ordered[:limit]]

    def _add(self, act: Act, step: Step, details: Mapping[str, object]) -> int:
        """Return how many databases took it."""
        added = 0
        for database in self._databases:
            try:
                with database.transaction() as tx:
                    journal.add(tx, act, step, details)
                added += 1
            except DatabaseUnavailable as error:
                telemetry.logger.warning("a journal was not reached", extra={"reason": error.detail})
        return added


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    steps = row.pop("steps")
    intent = steps.pop("begun", None)
    end = next(iter(steps), None)
    return {**row, "intent": intent, "end": end, "effect": steps.get(end)}
