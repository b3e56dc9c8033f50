"""Connections of the code that are PostgreSQL's own. Before each statement others may go on."""

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any, cast

import psycopg2
import psycopg2.errors

from checkout.base.postgres import SESSION
from simulation.connections import (
    REFUSED_BY_SERVER,
    SQLSTATES,
    Connection,
    Cursor,
    Faults,
    WorldsDatabase,
    parts,
)
from simulation.databases import WorldDatabase
from simulation.interleaved.databases import SharedDatabase
from simulation.interleaved.turns import Turns

_BETWEEN, _BEGIN = b"; ", b"BEGIN; "


class GatedDatabase(WorldsDatabase):
    def __init__(self, database: WorldDatabase, faults: Faults, turns: Turns) -> None:
        super().__init__(database, faults)
        assert isinstance(database, SharedDatabase)
        self._shared, self._turns = database, turns

    def _opened(self) -> Connection:
        wanted = SESSION.get("default_transaction_isolation")
        return GatedConnection(self._shared, self._faults, self._turns, wanted)


class GatedConnection(Connection):
    def __init__(
        self, database: SharedDatabase, faults: Faults, turns: Turns, isolation: str | None = None
    ) -> None:
        """Without `isolation` it has the database's own."""
        super().__init__(database, faults)
        self._shared, self._turns = database, turns
        self._session = database.session(isolation)
        self._plans = self._session.plans
        self._composed: list[bytes] = []
        """The statements of which the next round trip consists."""

    def compose(self, mogrify: Callable[..., bytes], query: bytes, variables: Any) -> bytes:
        composed = super().compose(mogrify, query, variables)
        self._composed.append(self._planned.get(composed, composed))
        return composed

    def cursor(self, cursor_factory: object = None) -> Cursor:  # noqa: ARG002 - it is always ours
        if self.closed:
            raise psycopg2.InterfaceError("connection already closed")
        made: Cursor = self._session.connection.cursor(cursor_factory=Cursor)
        made.of = self
        return made

    def close(self) -> None:
        if not self.closed:
            self._shared.give_back(self._session)
        self.closed, self.in_transaction, self._is_aborted = 1, False, False

    def execute(self, execute: Callable[[bytes], None], statements: bytes) -> None:
        self._turns.pause()
        super().execute(execute, statements)

    def _execute(self, execute: Callable[[bytes], None], statements: bytes) -> None:
        _, begins, ends = parts(statements)
        if self._is_aborted and ends is None:
            raise psycopg2.errors.InFailedSqlTransaction("the transaction is aborted")
        if ends == b"ROLLBACK" and not (begins or self.in_transaction):
            return
        first, *others = [b"ROLLBACK"] if self._is_aborted else apart(statements, self._composed)
        self._composed.clear()
        # What is sent without BEGIN is a transaction, too: others do not see it before it has ended.
        is_implicit = not (begins or self.in_transaction)
        if not self.in_transaction:
            first = _BEGIN + self._shared.told(local=True).encode() + first.removeprefix(_BEGIN)
        self.in_transaction = begins or self.in_transaction
        try:
            self._executing(execute, first)
            for statement in others:
                self._turns.pause()
                self._executing(execute, statement)
        except psycopg2.Error:
            if is_implicit:
                self._end(b"ROLLBACK")
            raise
        if is_implicit:
            self._turns.pause()
            self._end(b"COMMIT")
        if ends is not None or not self.in_transaction:
            self._shared.commits += 1
            self._end_transaction()

    def _executing(self, execute: Callable[[bytes], None], statements: bytes) -> None:
        pid = self._session.connection.info.backend_pid
        try:
            self._turns.executing(pid, lambda: execute(statements))
        except psycopg2.errors.QueryCanceled:
            raise self._ended_wait() from None

    def _end(self, statement: bytes) -> None:
        """With a cursor of its own: the code's keeps what it has found."""
        with self._session.connection.cursor() as cursor:
            self._executing(cursor.execute, statement)

    def _refuse(self, fault: str, statements: bytes) -> None:
        if statements == b"ROLLBACK":
            return
        self._is_aborted = self.in_transaction
        if fault == "server shuts down":
            self.close()
        raise _error(fault)

    def _ended_wait(self) -> psycopg2.Error:
        actor = self._turns.actor
        assert actor is not None
        return _error(actor.ended_by)


def apart(statements: bytes, known: Collection[bytes]) -> list[bytes]:
    """The statements of one round trip, BEGIN with the first: PostgreSQL executes others between them. They
    are divided where one of those that are `known` begins or ends."""
    places = {0, len(statements) + len(_BETWEEN)}
    for one in known:
        start = statements.find(one)
        end = start + len(one)
        if start > len(_BEGIN) and statements[:start].endswith(_BETWEEN):
            places.add(start)
        if start >= 0 and statements[end:].startswith(_BETWEEN):
            places.add(end + len(_BETWEEN))
    return [statements[start : end - len(_BETWEEN)] for start, end in pairwise(sorted(places))]


def _error(name: str) -> psycopg2.Error:
    error = REFUSED_BY_SERVER[name](name)
    cast(Any, error).__setstate__({"pgcode": SQLSTATES[name]})
    return error
