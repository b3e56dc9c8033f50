"""Another connection at the right moment: it holds what the code needs, until the code waits for it."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg2
from psycopg2.extras import RealDictCursor

T = TypeVar("T")

PATIENCE_SECONDS = 20


class SecondConnection:
    """A transaction of its own, open until `commit`."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(parameters))
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def commit(self) -> None:
        self._connection.commit()


@contextmanager
def second_connection(url: str) -> Iterator[SecondConnection]:
    """Rolls back in the end what was not committed.

    It waits for no lock longer than PostgreSQL takes to look for deadlocks, which it would resolve.
    """
    with closing(psycopg2.connect(url, cursor_factory=RealDictCursor)) as connection:
        other = SecondConnection(connection)
        other.execute("SET lock_timeout = '200ms'")
        other.commit()
        yield other


def waiting(url: str, act: Callable[[], T]) -> "Future[T]":
    """Begin `act` in a thread, and return as soon as it waits for a lock in this database.

    Raises AssertionError if it ends without having waited.
    """
    acting = waiting_or_done(url, act)
    assert not acting.done(), f"ended without waiting: {acting.exception() or acting.result()}"
    return acting


def waiting_or_done(url: str, act: Callable[[], T]) -> "Future[T]":
    """The same for what may also pass by what is locked."""
    pool = ThreadPoolExecutor(1)
    acting = pool.submit(act)
    pool.shutdown(wait=False)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not acting.done() and not _waits(connection):
            assert time.monotonic() < give_up_at, "neither waits nor ends"
            time.sleep(0.005)
    return acting


def _waits(connection: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone() is not None
