"""One connection to one PostgreSQL database, kept warm between events, and its errors mapped to ours."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import psycopg2
import psycopg2.extensions
from msgspec.json import encode
from psycopg2 import sql as composed
from psycopg2.extensions import cursor as Cursor  # noqa: N812 - a class
from psycopg2.extras import execute_values

from checkout.base import timing
from checkout.base.errors import DatabaseContended, DatabaseUnavailable, InvariantBroken
from checkout.base.postgres_errors import mapped
from checkout.base.postgres_url import Token, server_of
from checkout.base.user_ids import BIGINT, UserIds

Sql: TypeAlias = str | bytes | composed.Composable
Parameters: TypeAlias = Sequence[Any] | Mapping[str, Any] | None

SESSION = {
    "default_transaction_isolation": "read committed",
    "lock_timeout": f"{timing.DATABASE_LOCK}s",
    "statement_timeout": f"{timing.DATABASE_STATEMENT}s",
    "idle_in_transaction_session_timeout": f"{timing.DATABASE_IDLE_IN_TRANSACTION}s",
}
"""What every session of ours has: by its role if it signs in by IAM, else by a statement of its own. Who has
waited for a lock must see what was committed meanwhile, whatever the database's own default is."""

_COUNTED = b"WITH changed AS (%s RETURNING 1) SELECT 1 / (count(*) = 1)::int FROM changed"
"""Divides by zero if a statement does not change one row: see postgres_errors."""


class Transaction:
    """A database transaction. Who opened it commits it; SQL modules only execute.

    What is queued goes with the next statement, in one round trip: BEGIN with the first one, and writes whose
    results nobody needs with COMMIT."""

    def __init__(self, database: "Database", opening: Sequence[str]) -> None:
        self.user_ids = database.user_ids
        self._database = database
        self._queued = [statement.encode() for statement in opening]
        self._cursor = database.cursor()
        self._has_begun = False

    def execute(self, sql: Sql, parameters: Parameters = None) -> None:
        """One round trip, with what was queued. The result is that of `sql` alone."""
        statements = b"; ".join([*self._queued, self._cursor.mogrify(sql, parameters)])
        self._queued.clear()
        try:
            self._cursor.execute(statements)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            if self._has_begun or not _is_gone(self._cursor.connection, error):
                raise
            self._database.close()
            self._cursor = self._database.cursor()
            self._cursor.execute(statements)
        self._has_begun = True

    def queue(self, sql: Sql, parameters: Parameters = None, *, changes_one_row: bool = False) -> None:
        """Execute it with the next statement, or with COMMIT. What it raises is raised there: InvariantBroken
        if it `changes_one_row` and PostgreSQL counts another number."""
        statement = self._cursor.mogrify(sql, parameters)
        self._queued.append(_COUNTED % statement if changes_one_row else statement)

    def execute_values(self, sql: str, rows: Iterable[Sequence[Any]], template: str | None = None) -> None:
        """`sql` with all rows in the place of `%s`, in one round trip; nothing if there are none."""
        given = list(rows)
        execute_values(cast(Any, self), sql.encode(), given, template, page_size=max(1, len(given)))

    def tuples(self, sql: Sql, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """Execute it for rows that are tuples: to build dictionaries of thousands takes too long."""
        self.execute(sql, parameters)
        return self._cursor.fetchall()

    def fetchone(self) -> dict[str, Any] | None:
        row = self._cursor.fetchone()
        return None if row is None else dict(zip(self._names(), row, strict=True))

    def fetchall(self) -> list[dict[str, Any]]:
        names = self._names()
        return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]

    def _names(self) -> list[str]:
        return [column.name for column in self._cursor.description or ()]

    def row(self) -> dict[str, Any]:
        """The row of a statement that always returns one."""
        row = self.fetchone()
        if row is None:
            raise InvariantBroken("A statement that always returns a row returned none.")
        return row

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    def mogrify(self, sql: Sql, parameters: Parameters = None) -> bytes:
        return self._cursor.mogrify(sql, parameters)

    def roll_back(self) -> None:
        """End it here. What is executed afterwards is executed outside of it."""
        self._queued.clear()
        self.end("ROLLBACK")
        self._has_begun = False

    def end(self, statement: str) -> None:
        """COMMIT or ROLLBACK. Sends nothing if nothing was executed."""
        if self._has_begun or len(self._queued) > 1:
            self.execute(statement)


class Database:
    """Connects at the first transaction; a connection that turns out to be gone then is silently replaced.

    One on which the database was not available is not used again: after a failover it can lead to a server
    that will never write again.
    """

    def __init__(
        self,
        url: Callable[[], str],
        *,
        token: Token | None = None,
        connect_timeout_seconds: int = timing.DATABASE_CONNECT,
        user_ids: UserIds = BIGINT,
    ) -> None:
        """`url` is asked at every connect, since the password in it may have been rotated.

        With `token` that makes the password at every connect, for host, port and user of the URL; an open
        connection outlives it. The role brings its timeouts along, and nothing is ever SET: RDS Proxy, which
        may stand between, would keep a server connection for this client alone from then on.
        """
        self.user_ids = user_ids
        self._url = url
        self._token = token
        self._connect_timeout_seconds = connect_timeout_seconds
        self._connection: psycopg2.extensions.connection | None = None

    @contextmanager
    def transaction(self, *, durable: bool = True, commit: bool = True) -> Iterator[Transaction]:
        """Commits when the block ends, rolls back when it raises, and always without `commit`.

        With `durable=False` the commit does not wait for the disk: only for what may be lost without harm.
        Raises DatabaseUnavailable (transient; DatabaseContended if somebody is in the way) and DataRefused
        (these values can never be stored).
        """
        with self._mapping_errors():
            tx = Transaction(self, ["BEGIN", *self._settings(durable=durable)])
            yield tx
            tx.end("COMMIT" if commit else "ROLLBACK")

    @contextmanager
    def autocommit(self, *, durable: bool = True) -> Iterator[Transaction]:
        """Each statement is a transaction of its own, in one round trip. Raises as `transaction`.

        The first is sent again if the connection turns out to be gone, so it may be executed twice.
        """
        with self._mapping_errors():
            yield Transaction(self, self._settings(durable=durable))

    def _settings(self, *, durable: bool) -> list[str]:
        """What precedes the first statement of a transaction."""
        return [] if durable or self._token is not None else ["SET LOCAL synchronous_commit = off"]

    @contextmanager
    def _mapping_errors(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            meaning = mapped(error)
            if isinstance(meaning, DatabaseUnavailable) and not isinstance(meaning, DatabaseContended):
                self.close()
            else:
                self._rollback()
            raise meaning from error
        except BaseException:
            self._rollback()
            raise

    def cursor(self) -> Cursor:
        """Of the connection that is kept, or of a new one: for Transaction."""
        if self._connection is None or self._connection.closed:
            self._connection = self._connect()
        return self._connection.cursor(cursor_factory=Cursor)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        patience = self._connect_timeout_seconds
        server = server_of(self._url(), self._token, connect_timeout_seconds=patience)
        connection: psycopg2.extensions.connection = psycopg2.connect(**server)
        # Autocommit, since BEGIN is ours to send.
        connection.autocommit = True
        if self._token is None:
            with connection.cursor() as cursor:
                cursor.execute(*_set_config(SESSION, local=False))
        return connection

    def _rollback(self) -> None:
        if self._connection is None:
            return
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            self.close()


def _is_gone(connection: psycopg2.extensions.connection, error: psycopg2.Error) -> bool:
    """True if the server, or the way to it, ended the connection; not if it refused a statement."""
    return bool(connection.closed) or error.pgcode is None or error.pgcode.startswith("57P")


def array(values: Iterable[str | int | None]) -> str:
    """One text for a parameter `%s::text[]` or `%s::bigint[]`: PostgreSQL reads it faster than a list."""
    given = list(values)
    elements = encode(given).decode()[1:-1]
    if "\\" in elements:  # JSON has other escapes. Without any, it writes elements as an array does.
        escaped = (value and str(value).replace("\\", "\\\\").replace('"', '\\"') for value in given)
        elements = ",".join(["NULL" if value is None else f'"{value}"' for value in escaped])
    return "{" + elements + "}"


def limit(tx: Transaction, **seconds: float) -> None:
    """Set `lock_timeout` and others for this transaction. RDS Proxy then pins the session: only if needed."""
    milliseconds = {name: f"{max(1, round(limit * 1000))}ms" for name, limit in seconds.items()}
    tx.execute(*_set_config(milliseconds, local=True))


def _set_config(settings: Mapping[str, str], *, local: bool) -> tuple[str, list[str]]:
    calls = ", ".join([f"set_config(%s, %s, {local})"] * len(settings))
    return f"SELECT {calls}", [part for pair in settings.items() for part in pair]


def take_time(tx: Transaction) -> None:
    """Lengthen the time limits of this transaction."""
    long, idle = timing.LONG_STATEMENT, timing.LONG_IDLE_IN_TRANSACTION
    limit(tx, statement_timeout=long, idle_in_transaction_session_timeout=idle)
