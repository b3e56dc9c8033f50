"""One PostgreSQL database of a world. A whole world is one transaction on one connection, rolled back at its
end: a transaction of the code is a savepoint in it, and a restore rolls back to an earlier savepoint.

So two transactions are never open at once, and nobody ever waits for a lock.
"""

from collections.abc import Callable, Sequence
from typing import Any

from simulation.clock import Clock
from simulation.plans import Plans
from simulation.server import NO_RULE, connected

_LARGE = b"UPDATE checkout_transactions"
EMPTIED_EVERY = 50
"""Worlds. What is rolled back stays in the tables' files, and a world reads whole tables."""


def emptying(connection: Any) -> str:
    """The statement that empties all tables of a database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(format('sim.%I', tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'sim' AND tablename NOT LIKE '%migrations'"
            " AND tablename <> 'checkout_owner'"
        )
        [tables] = cursor.fetchone()
    # The ledger has a trigger against it.
    return (
        f"SET session_replication_role = replica; TRUNCATE {tables} RESTART IDENTITY CASCADE;"
        " RESET session_replication_role"
    )


class WorldDatabase:
    """`commits` counts what was committed; `is_open` is true within a transaction of the code."""

    most_rows: int | None = None
    """A statement that changes more rows of a large table is cut off; None if no table is large."""

    def __init__(self, name: str, url: str, clock: Clock) -> None:
        self.name = name
        self.connection: Any = connected(url)
        self.connection.autocommit = True  # Since BEGIN is sent here.
        self.plans = Plans(self.connection)
        self.commits = 0
        self.is_open = False
        self.rule = NO_RULE
        """What the application does with balances: see server.RULES."""
        self.backups: list[tuple[str, float, str]] = []
        """Savepoints and their times, oldest first; and what sets the sequences to their values of then."""
        self._clock = clock
        self._told = ""
        """What the server knows of the time and of the application's rule."""
        self._before = ""
        """What goes with the next statement."""
        self._made = 0
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT quote_ident(sequencename) FROM pg_sequences WHERE schemaname = 'sim'")
            self._sequences = sorted(name for (name,) in cursor.fetchall())
        self._emptying = emptying(self.connection)
        self._worlds = 0

    def begin_world(self) -> None:
        self.commits, self._made, self.backups, self.is_open = 0, 0, [], False
        self.rule = NO_RULE
        # Sequences are not rolled back.
        self._told = self._before = ""
        first = ", ".join(f"setval('sim.{name}', 1, false)" for name in self._sequences)
        self._send(f"BEGIN; SELECT {first}")

    def end_world(self) -> None:
        self._before = ""
        self._send("ROLLBACK")
        self._worlds += 1
        if self._worlds % EMPTIED_EVERY == 0:
            self._send(self._emptying)

    def _preceding(self) -> str:
        """What goes before the next statement that is sent."""
        before, self._before = self._before, ""
        return before

    def _news(self) -> str:
        """The same before a savepoint, with what the server is to be told, so that it stays told."""
        news = f"SET LOCAL sim.now = '{self._clock.epoch:.6f}'; SET LOCAL sim.rule = '{self.rule}'; "
        if news == self._told:
            return self._preceding()
        self._told = news
        return self._preceding() + news

    def open(self, statements: bytes, execute: Callable[[bytes], None]) -> None:
        """Begin a transaction of the code with these statements, which `execute` sends."""
        assert not self.is_open, "two transactions at once"
        self.is_open = True
        self._clock.pass_(self._clock.seconds_a_transaction)
        execute(b"%sSAVEPOINT code; %s" % (self._news().encode(), statements))

    def is_too_much(self, statements: bytes, rows: int) -> bool:
        """These take longer than a statement may: they change so many rows of what is large."""
        return self.most_rows is not None and rows > self.most_rows and _LARGE in statements

    def commit(self) -> None:
        """Its savepoint is given up with the next statement: a round trip less."""
        self._before = "RELEASE SAVEPOINT code; "
        self.is_open = False
        self.commits += 1

    def undo(self) -> None:
        """End the open transaction without a trace."""
        self._send("ROLLBACK TO SAVEPOINT code; RELEASE SAVEPOINT code")
        self.is_open = False

    def back_up(self) -> None:
        assert not self.is_open, "a backup within a transaction"
        self._made += 1
        self._send(f"SAVEPOINT backup_{self._made}")
        self.backups.append((f"backup_{self._made}", self._clock.epoch, self._sequences_now()))

    def _sequences_now(self) -> str:
        """What sets them to these values. They are not rolled back, but a restore gives ids out again."""
        found = self.rows(
            "SELECT quote_ident(sequencename) AS name, COALESCE(last_value, 1) AS value,"
            " last_value IS NOT NULL AS is_called FROM pg_sequences WHERE schemaname = 'sim' ORDER BY 1"
        )
        return "SELECT " + ", ".join(
            f"setval('sim.{row['name']}', {row['value']}, {row['is_called']})" for row in found
        )

    def restore(self, number: int) -> float:
        """To the backup of this number. Returns its time; later ones are gone."""
        assert not self.is_open, "a restore within a transaction"
        name, time, sequences = self.backups[number]
        self._send(f"ROLLBACK TO SAVEPOINT {name}; {sequences}")
        self._told = ""
        del self.backups[number + 1 :]
        return time

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """What the world itself asks, between the transactions of the code."""
        assert not self.is_open, "the world asks within a transaction"
        text = self.plans.executing(sql.encode(), parameters or None)
        with self.connection.cursor() as cursor:
            statement, given = text or (sql.encode(), parameters)
            cursor.execute(self._preceding().encode() + statement, tuple(given) or None)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def as_application(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """In a transaction of its own, now. Raises psycopg2.Error, with nothing changed."""
        self._send(f"{self._news()}SAVEPOINT application")
        try:
            found = self.rows(sql, parameters)
        except BaseException:
            self._send("ROLLBACK TO SAVEPOINT application; RELEASE SAVEPOINT application")
            raise
        self._send("RELEASE SAVEPOINT application")
        self.commits += 1
        return found

    def _send(self, sql: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(self._preceding() + sql)
