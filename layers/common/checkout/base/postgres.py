"""One connection to one PostgreSQL database, kept warm between events, and its errors mapped to ours."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from checkout.base import telemetry
from checkout.base.errors import ConfigurationError, DatabaseContended, DatabaseUnavailable
from checkout.base.postgres_errors import mapped

Cursor = RealDictCursor
"""An open transaction. Whoever opened it commits; repositories only execute."""

Token = Callable[[str, int, str], str]
"""Host, port and user to a password for them."""

CONNECT_TIMEOUT_SECONDS = 5
TIMEOUTS = {
    "lock_timeout": "5s",
    "statement_timeout": "25s",
    "idle_in_transaction_session_timeout": "30s",
}
"""What every session of ours has: by its role where it signs in by IAM, else by a statement of its own."""

URL_FORM = "postgresql://user:password@host:port/name, with reserved characters as %XX"


class Database:
    """Connects at the first transaction; a connection found dead then is replaced without a trace.

    One on which the database was not available is not used again: after a failover it can lead to a server
    that will never write again.
    """

    def __init__(
        self,
        url: Callable[[], str],
        *,
        token: Token | None = None,
        connect_timeout_seconds: int = CONNECT_TIMEOUT_SECONDS,
    ) -> None:
        """`url` is asked at every connect, since the password in it may have been rotated.

        With `token` that makes the password at every connect, for host, port and user of the URL; an open
        connection outlives it. The role brings its timeouts along, and nothing is ever SET: RDS Proxy, which
        may stand between, would keep a server connection for this client alone from then on.
        """
        self._url = url
        self._token = token
        self._connect_timeout_seconds = connect_timeout_seconds
        self._connection: psycopg2.extensions.connection | None = None

    @contextmanager
    def transaction(self, *, durable: bool = True, commit: bool = True) -> Iterator[Cursor]:
        """Commits when the block ends, rolls back when it raises, and always without `commit`.

        With `durable=False` the commit does not wait for the disk: only for what may be lost without harm.
        Raises DatabaseUnavailable (transient; DatabaseContended if somebody is in the way) and DataRefused
        (these values can never be stored).
        """
        try:
            cursor = self._begin()
            if not durable and self._token is None:
                cursor.execute("SET LOCAL synchronous_commit = off")
            yield cursor
            cursor.execute("COMMIT" if commit else "ROLLBACK")
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
        server = _parsed(self._url())
        if self._token is not None:
            server["password"] = _made(self._token, server)
        try:
            connection: psycopg2.extensions.connection = psycopg2.connect(
                **server, connect_timeout=self._connect_timeout_seconds, application_name="checkout"
            )
        except psycopg2.OperationalError as error:
            telemetry.logger.warning("no connection to PostgreSQL", extra={"reason": str(error).strip()})
            raise
        # Autocommit, so that BEGIN is ours to send: it doubles as the check that the connection is alive.
        connection.autocommit = True
        if self._token is None:
            with connection.cursor() as cursor:
                settings = ", ".join(["set_config(%s, %s, false)"] * len(TIMEOUTS))
                cursor.execute(f"SELECT {settings}", [part for pair in TIMEOUTS.items() for part in pair])
        return connection

    def _rollback(self) -> None:
        if self._connection is None:
            return
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except psycopg2.Error:
            self.close()


def array(values: Iterable[str | int]) -> str:
    """One text for a parameter `%s::text[]` or `%s::bigint[]`: PostgreSQL reads it faster than a list."""
    quoted = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join([f'"{value}"' for value in quoted]) + "}"


def limit(cursor: Cursor, timeouts: Mapping[str, str]) -> None:
    """For this transaction. Only if needed: RDS Proxy then keeps a server connection for the session."""
    settings = ", ".join(["set_config(%s, %s, true)"] * len(timeouts))
    cursor.execute(f"SELECT {settings}", [part for pair in timeouts.items() for part in pair])


def _parsed(url: str) -> dict[str, Any]:
    try:
        server: dict[str, Any] = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        server = {"port": ""}
    if not re.fullmatch(r"[0-9]+(,[0-9]+)*", server.get("port", "5432")):
        # And not as libpq says it, which may quote the password.
        raise ConfigurationError(f"A database's URL cannot be read: it is {URL_FORM}.")
    return server


def _made(token: Token, server: Mapping[str, str]) -> str:
    if not {"host", "user"} <= server.keys():
        raise ConfigurationError("With DATABASE_AUTH=IAM a database's URL is postgresql://role@host/name.")
    return token(server["host"], int(server.get("port", 5432)), server["user"])
