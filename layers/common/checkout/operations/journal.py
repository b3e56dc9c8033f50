"""The journal of the operations: who had what done, and what came of it.

An act is written down before anything changes, and its end after. So if the process dies between the two,
the journal has the act without an end; to run the verb again is safe.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from checkout.base import telemetry
from checkout.base.errors import DatabaseUnavailable
from checkout.base.postgres import Database
from checkout.reconciliation import operator_journal as journal
from checkout.reconciliation.operator_journal import Act, Step


class Journal:
    """Kept in both databases, so that it survives the restore of one of them."""

    def __init__(self, checkout: Database, application: Database) -> None:
        self._databases = checkout, application

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
        """Acts, newest first; `end` is null if the process died or is still at it.

        Raises DatabaseUnavailable only if neither database answers.
        """
        acts: dict[str, dict[str, Any]] = {}
        answered = 0
        for database in self._databases:
            try:
                with database.transaction() as tx:
                    found = journal.newest(tx, operator=operator, verb=verb, since=since, limit=limit)
            except DatabaseUnavailable:
                continue
            answered += 1
            for row in found:
                known = acts.setdefault(row["act_id"], row)
                known["steps"] |= row["steps"]
        if not answered:
            raise DatabaseUnavailable("The database is not available; try again.")
        ordered = sorted(acts.values(), key=lambda row: row["at"], reverse=True)
        return [_told(row) for row in ordered[:limit]]

    def _add(self, act: Act, step: Step, details: Mapping[str, object]) -> int:
        """In how many databases it is."""
        added = 0
        for database in self._databases:
            try:
                with database.transaction() as tx:
                    journal.add(tx, act, step, details)
                added += 1
            except DatabaseUnavailable as error:
                telemetry.logger.warning("a journal was not reached", extra={"reason": error.detail})
        return added


def _told(row: dict[str, Any]) -> dict[str, Any]:
    steps = row.pop("steps")
    intent = steps.pop("begun", None)
    end = next(iter(steps), None)
    return {**row, "intent": intent, "end": end, "effect": steps.get(end)}
