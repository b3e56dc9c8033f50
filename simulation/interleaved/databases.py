"""A database of a world that several connections use. What is committed stays, until the world ends and all
tables are emptied. There are no backups."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extras import RealDictCursor

from simulation.clock import Clock
from simulation.databases import WorldDatabase, emptying
from simulation.plans import Plans
from simulation.server import NO_RULE, connected

_NO_TIMEOUTS = """
    CREATE OR REPLACE FUNCTION sim.set_config(text, text, boolean) RETURNS text LANGUAGE sql
        AS $$ SELECT $2 $$
"""
"""The time that the code gives a lock or a statement is the world's, and passes when the seed says so."""

_ORDERS = "CREATE TABLE IF NOT EXISTS sim.orders (user_id bigint REFERENCES sim.users)"
"""A table of the application's, with a row that refers to the user who pays."""

TICK_SECONDS = 0.0001
READ_COMMITTED, REPEATABLE_READ = "read committed", "repeatable read"


@dataclass(slots=True, eq=False)
class Session:
    """One of the server's processes, and its plans."""

    connection: Any
    plans: Plans
    isolation: str | None = None
    """The default of its transactions; None if that is not known."""


class SharedDatabase(WorldDatabase):
    """A copy of a migrated database, made for the worlds with several connections."""

    def __init__(self, name: str, url: str, clock: Clock) -> None:
        self.name, self.url = name, _copied(url)
        self.commits = 0
        self.is_open = False  # No transaction of the code is in the way of the world's own.
        self.rule = NO_RULE
        self.isolation = READ_COMMITTED
        """What transactions have of which nobody says otherwise."""
        self.backups = []
        self._clock = clock
        self.connection = connected(self.url)
        self.connection.autocommit = True
        self.plans = Plans(self.connection)
        self._sessions: list[Session] = []
        self._spare: list[Session] = []
        self._before = ""
        self._send(_NO_TIMEOUTS if name == "checkout" else f"{_NO_TIMEOUTS}; {_ORDERS}")
        self._emptying = emptying(self.connection)

    def begin_world(self) -> None:
        self.commits, self.rule, self.isolation = 0, NO_RULE, READ_COMMITTED
        for one in self._sessions:
            if one not in self._spare:
                self.give_back(one)
        self._spare = self._sessions[::-1]  # In an order that no world before has made.
        self._send(self._emptying)

    def end_world(self) -> None:
        pass

    def session(self, isolation: str | None = None) -> Session:
        """One that nobody uses, of somebody who wants this isolation, or the database's own. A new process
        would plan all statements anew, which takes longer than all the rest."""
        if not self._spare:
            connection = connected(self.url)
            connection.autocommit = True  # Since BEGIN is sent by the code.
            self._spare.append(Session(connection, Plans(connection)))
            self._sessions.append(self._spare[-1])
        session = self._spare.pop()
        if session.isolation != (isolation or self.isolation):
            session.isolation = isolation or self.isolation
            with session.connection.cursor() as cursor:
                cursor.execute(f"SET default_transaction_isolation = '{session.isolation}'")
        return session

    def give_back(self, session: Session) -> None:
        """It has ended: its transaction is rolled back, and its locks are given up."""
        with session.connection.cursor() as cursor:
            cursor.execute("ROLLBACK")
        self._spare.append(session)

    def told(self, *, local: bool) -> str:
        """What a session must be told of the time, and of the application's rule, before it goes on.

        No two transactions have the same time: if a query's order does not decide between two rows, it
        would be that of the table's pages, and no seed decides that.
        """
        self._clock.pass_(TICK_SECONDS)
        scope = "LOCAL" if local else "SESSION"
        return f"SET {scope} sim.now = '{self._clock.epoch:.6f}'; SET {scope} sim.rule = '{self.rule}'; "

    def back_up(self) -> None:
        raise AssertionError("nothing is backed up in a world in which several act at once")

    def restore(self, number: int) -> float:
        raise AssertionError(f"backup {number} of a world without any")

    def as_application(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self.connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute(f"{self.told(local=False)}{sql}", tuple(parameters))
            self.commits += 1
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []


def _copied(url: str) -> str:
    """The URL of a copy. The database has no connections but this process's, which does not use them now."""
    name = urlsplit(url).path.removeprefix("/")
    source = name.rpartition("_")[0]
    with closing(psycopg2.connect(beside(url, "postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            copy = f"{name}_shared"
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [copy])
            if cursor.fetchone() is None:
                made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
                cursor.execute(made.format(sql.Identifier(copy), sql.Identifier(source)))
    return beside(url, copy)


def beside(url: str, name: str) -> str:
    """Another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
