"""What an error of PostgreSQL's means: values are refused, somebody is in the way, or the database is away.

The tables may have triggers, constraints, rules and policies of an application. Whatever those raise is final
for the values that raised it: if it counted as an outage, it would stop everybody else for ever.
"""

import psycopg2

from checkout.base import telemetry
from checkout.base.errors import DatabaseContended, DatabaseUnavailable, DataRefused, InvariantBroken

_REFUSED = ("0A", "21", "22", "23", "27", "39", "44", "54", "P0")
"""SQLSTATE classes: values that can never be stored, rules (0A) and triggers (27, 39) that never work."""

_IN_THE_WAY = ("40", "55P03", "57014")
"""A deadlock or serialization failure, a lock that was not given up, a statement that took too long."""

_AWAY = ("25006", "53", "57", "58030", "XX001", "XX002")
"""Read-only after a failover, no resources, shutting down, an error of the disk: wherever it strikes."""

_NOT_ONE_ROW = "22012"
"""A division by zero, which is only in what `Transaction.queue` makes of a statement that changes one row."""

_RAISED = "exec_stmt_raise"
"""PostgreSQL's own function behind RAISE: whatever SQLSTATE such an error has, somebody has chosen it."""

_POLICY = "ExecWithCheckOptions"
"""And the one behind row-level security, whose refusals share their SQLSTATE with missing grants."""

_FOREIGN_KEY = 'FROM ONLY "'
"""In the context of what PostgreSQL itself asks to check a foreign key: missing grants for that are ours."""


def mapped(error: psycopg2.Error) -> Exception:
    """The error of ours that stands for it; itself if it is a mistake in our use of psycopg2."""
    sqlstate = error.pgcode or ""
    if sqlstate == _NOT_ONE_ROW and not _is_in_a_function(error.diag.context or ""):
        return InvariantBroken("A statement that changes one row changed another number of them.")
    if sqlstate and _is_refusal(error, sqlstate):
        return DataRefused(sqlstate, error.diag.message_primary or type(error).__name__)
    if sqlstate.startswith(_IN_THE_WAY):
        return DatabaseContended("Somebody holds what this needs, or it took too long; try again.")
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or sqlstate:
        # Callers learn no more, but the cause may be a missing grant. The error's detail could quote a row.
        reason = error.diag.message_primary or str(error).strip()
        telemetry.logger.warning("PostgreSQL unavailable", extra={"sqlstate": sqlstate, "reason": reason})
        return DatabaseUnavailable("The database is not available; try again.")
    return error


def _is_refusal(error: psycopg2.Error, sqlstate: str) -> bool:
    if error.diag.source_function in (_RAISED, _POLICY) or sqlstate.startswith(_REFUSED):
        return True
    return not sqlstate.startswith(_IN_THE_WAY + _AWAY) and _is_in_a_function(error.diag.context or "")


def _is_in_a_function(context: str) -> bool:
    """Our statements stand alone, so an error with a context arose in a function that they set off."""
    return bool(context) and not (_FOREIGN_KEY in context and "\n" not in context)
