"""Connections of the code to a world's databases, and all that can go wrong at a statement.

A statement can fail before it is sent, at the server, or after it was executed; a COMMIT can be lost, or its
answer. The process can die or freeze before and after. One that freezes in a transaction finds it gone: the
server ends a session that is idle in a transaction for 30 s.
"""

from collections.abc import Callable
from typing import Any, Protocol, cast

import psycopg2
import psycopg2.errors
from psycopg2.extensions import cursor as PlainCursor  # noqa: N812 - a class

from checkout.base.postgres import Database
from simulation.databases import WorldDatabase

READ_ONLY = "read-only server"
REFUSED_BY_SERVER = {
    "lock timeout": psycopg2.errors.LockNotAvailable,
    "statement timeout": psycopg2.errors.QueryCanceled,
    "deadlock": psycopg2.errors.DeadlockDetected,
    READ_ONLY: psycopg2.errors.ReadOnlySqlTransaction,
    "server shuts down": psycopg2.errors.AdminShutdown,
}
SQLSTATES = {
    "lock timeout": "55P03",
    "statement timeout": "57014",
    "deadlock": "40P01",
    READ_ONLY: "25006",
    "server shuts down": "57P01",
}
LOST_BEFORE, LOST_AFTER = "connection lost before", "connection lost after"
DIES_BEFORE, DIES_AFTER, FREEZES = "dies before", "dies after", "freezes before"


class Faults(Protocol):
    """What a process is subject to."""

    def at_statement(self, database: str) -> str | None: ...
    def at_connect(self, database: str) -> bool: ...
    def die(self) -> None: ...
    def freeze(self) -> None: ...


class WorldsDatabase(Database):
    """The code's own `Database`, on a connection of the world."""

    def __init__(self, database: WorldDatabase, faults: Faults) -> None:
        super().__init__(lambda: "")
        self._world, self._faults = database, faults
        self._made: Connection | None = None

    def _connect(self) -> Any:
        if self._faults.at_connect(self._world.name):
            raise psycopg2.OperationalError("connection refused")
        self._made = self._opened()
        return self._made

    def _opened(self) -> "Connection":
        return Connection(self._world, self._faults)

    def break_off(self, *, only_in_transaction: bool) -> None:
        """The way to the server is gone, or the process is."""
        if self._made is not None and (self._made.in_transaction or not only_in_transaction):
            self._made.close()


class Connection:
    """As much of psycopg2's as the code uses."""

    def __init__(self, database: WorldDatabase, faults: Faults) -> None:
        self.closed = 0
        self._database, self._faults = database, faults
        self._plans = database.plans
        self.in_transaction = self._is_aborted = False
        self._is_stale = False
        """It leads to a server that will never write again."""
        self._planned: dict[bytes, bytes] = {}
        """Statements that were composed, and what executes them by their plans."""

    def compose(self, mogrify: Callable[..., bytes], query: bytes, variables: Any) -> bytes:
        """The statement with its values."""
        composed = mogrify(query, variables)
        if (plan := self._plans.executing(query, variables)) is not None:
            self._planned[composed] = mogrify(plan[0], plan[1] or None)
        return composed

    def cursor(self, cursor_factory: object = None) -> "Cursor":  # noqa: ARG002 - it is always ours
        if self.closed:
            raise psycopg2.InterfaceError("connection already closed")
        made: Cursor = self._database.connection.cursor(cursor_factory=Cursor)
        made.of = self
        return made

    def close(self) -> None:
        if self.in_transaction:
            self._end_transaction()
            self._database.undo()
        self.closed = 1

    def execute(self, execute: Callable[[bytes], None], statements: bytes) -> None:
        fault = self._faults.at_statement(self._database.name)
        if fault == DIES_BEFORE:
            self._faults.die()
        elif fault == FREEZES:
            self._faults.freeze()
        if self.closed or fault == LOST_BEFORE:
            self._lose()
        if self._is_stale:
            fault = READ_ONLY
        if fault in REFUSED_BY_SERVER:
            self._refuse(fault, statements)
        self._execute(execute, self._by_plans(statements))
        if fault == LOST_AFTER:
            self._lose()
        elif fault == DIES_AFTER:
            self._faults.die()

    def executed(self, statements: bytes, rows: int) -> None:
        """The last of them has changed or found so many rows."""
        if self.in_transaction and self._database.is_too_much(statements, rows):
            self._refuse("statement timeout", statements)

    def _by_plans(self, statements: bytes) -> bytes:
        """The same, with plans for those that stand for themselves."""
        for composed, planned in self._planned.items():
            start = statements.find(composed)
            end = start + len(composed)
            if (
                start >= 0
                and (start == 0 or statements[start - 2 : start] == b"; ")
                and (end == len(statements) or statements[end : end + 2] == b"; ")
            ):
                statements = statements[:start] + planned + statements[end:]
        self._planned.clear()
        return statements

    def _execute(self, execute: Callable[[bytes], None], statements: bytes) -> None:
        body, begins, ends = parts(statements)
        if begins:
            self.in_transaction = True
            self._database.open(body or b"SELECT", execute)
        elif not self.in_transaction:
            self._alone(execute, statements)
            return
        elif self._is_aborted and ends is None:
            raise psycopg2.errors.InFailedSqlTransaction("the transaction is aborted")
        elif body and not self._is_aborted:
            execute(body)
        if ends is not None:
            keep = ends == b"COMMIT" and not self._is_aborted
            self._end_transaction()
            self._database.commit() if keep else self._database.undo()

    def _alone(self, execute: Callable[[bytes], None], statements: bytes) -> None:
        """A transaction of its own, unless it is a ROLLBACK outside of one."""
        if statements == b"ROLLBACK":
            return
        try:
            self._database.open(statements, execute)
        except psycopg2.Error:
            self._database.undo()
            raise
        self._database.commit()

    def _end_transaction(self) -> None:
        self.in_transaction = self._is_aborted = False

    def _refuse(self, fault: str, statements: bytes) -> None:
        """The server answers with an error, and the transaction is aborted."""
        self._is_stale = self._is_stale or fault == READ_ONLY
        if statements == b"ROLLBACK":
            return
        if statements.startswith(b"BEGIN"):
            self.in_transaction = True
            self._database.open(b"SELECT", self._database.connection.cursor().execute)
        self._is_aborted = self.in_transaction
        error = REFUSED_BY_SERVER[fault](fault)
        cast(Any, error).__setstate__({"pgcode": SQLSTATES[fault]})
        if fault == "server shuts down":
            self.close()
        raise error

    def _lose(self) -> None:
        self.close()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")


class Cursor(PlainCursor):
    """A cursor on the world's connection, in the name of one of the code's."""

    of: Connection

    def mogrify(self, query: Any, variables: Any = None) -> bytes:
        if not isinstance(query, str):
            # Composed already, with values that no other statement has.
            return super().mogrify(query, variables)
        return self.of.compose(super().mogrify, query.encode(), variables)

    def execute(self, query: Any, variables: Any = None) -> None:
        given = query.encode() if isinstance(query, str) else query
        statements = given if variables is None else super().mogrify(given, variables)
        self.of.execute(super().execute, statements)
        self.of.executed(statements, self.rowcount)


def parts(statements: bytes) -> tuple[bytes, bool, bytes | None]:
    """What stands between BEGIN and COMMIT or ROLLBACK; whether it begins; how it ends."""
    begins = statements.startswith(b"BEGIN; ")
    body = statements.removeprefix(b"BEGIN; ")
    for end in (b"COMMIT", b"ROLLBACK"):
        if body == end or body.endswith(b"; " + end):
            return body.removesuffix(end).removesuffix(b"; "), begins, end
    return body, begins, None
