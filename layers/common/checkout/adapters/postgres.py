"""One connection to one PostgreSQL database, kept warm between events, and its errors mapped to ours."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from checkout.errors import DatabaseUnavailable, DataRefused

Cursor = RealDictCursor
"""An open transaction. Whoever opened it commits; repositories only execute."""

CONNECT_TIMEOUT_SECONDS = 5
LOCK_TIMEOUT = "5s"
IDLE_IN_TRANSACTION_TIMEOUT = "30s"
STATEMENT_TIMEOUT = "25s"

_REFUSED_CLASSES = ("22", "23", "54")


class Database:
    """Connects at the first transaction; a connection found dead then is replaced without a trace."""

    def __init__(self, url: Callable[[], str]) -> None:
        """`url` is asked at every connect, since the password in it may have been rotated."""
        self._url = url
        self._connection: psycopg2.extensions.connection | None = None

    @contextmanager
    def transaction(self, *, durable: bool = True, commit: bool = True) -> Iterator[Cursor]:
        """Commits when the block ends, rolls back when it raises, and always without `commit`.

        With `durable=False` the commit does not wait for the disk: only for what may be lost without harm.
        Raises DatabaseUnavailable (transient) and DataRefused (these values can never be stored).
        """
        try:
            cursor = self._begin()
            if not durable:
                cursor.execute("SET LOCAL synchronous_commit = off")
            yield cursor
            cursor.execute("COMMIT" if commit else "ROLLBACK")
        except psycopg2.Error as error:
            self._rollback()
            raise _mapped(error) from error
        except BaseException:
            self._rollback()
            raise

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _begin(self) -> Cursor:
        if self._connection is not None:
            try:
                return self._begin_on(self._connection)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self.close()
        self._connection = self._connect()
        return self._begin_on(self._connection)

    @staticmethod
    def _begin_on(connection: psycopg2.extensions.connection) -> Cursor:
        cursor = connection.cursor(cursor_factory=RealDictCursor)
        cursor.execute("BEGIN")
        return cursor

    def _connect(self) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(
            self._url(),
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name="checkout",
        )
        # Autocommit, so that BEGIN is ours to send: it doubles as the check that the connection is alive.
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false),"
                " set_config('idle_in_transaction_session_timeout', %s, false)",
                (LOCK_TIMEOUT, STATEMENT_TIMEOUT, IDLE_IN_TRANSACTION_TIMEOUT),
            )
        return connection

    def _rollback(self) -> None:
        if self._connection is None:
            return
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            self.close()


def _mapped(error: psycopg2.Error) -> Exception:
    sqlstate = error.pgcode or ""
    if sqlstate.startswith(_REFUSED_CLASSES):
        return DataRefused(sqlstate, (error.diag.message_primary or type(error).__name__))
    if isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) or sqlstate:
        return DatabaseUnavailable("The database is not available; try again.")
    return error
