"""A second connection that holds a lock until the code waits for it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import psycopg2
from psycopg2.extras import RealDictCursor

from tests.support.waiting import eventually

T = TypeVar("T")

PATIENCE_SECONDS = 20


class SecondConnection:
    """A transaction that stays open until `commit`."""

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
    """A connection that rolls back at the end.

    It waits for a lock for less time than PostgreSQL takes to detect a deadlock, which it would resolve.
    """
    with closing(psycopg2.connect(url, cursor_factory=RealDictCursor)) as connection:
        other = SecondConnection(connection)
        other.execute("SET lock_timeout = '200ms'")
        other.commit()
        yield other


def waiting(url: str, act: Callable[[], T], waiters: int = 1) -> "Future[T]":
    """Start `act` in a thread, and return once so many wait for a lock in this database.

    Raises AssertionError if it ends without having waited.
    """
    acting = waiting_or_done(url, act, waiters)
    assert not acting.done(), f"ended without waiting: {acting.exception() or acting.result()}"
    return acting


def waiting_or_done(url: str, act: Callable[[], T], waiters: int = 1) -> "Future[T]":
    """Start `act` in a thread, and return once so many wait for a lock or it has ended."""
    pool = ThreadPoolExecutor(1)
    acting = pool.submit(act)
    pool.shutdown(wait=False)
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        eventually(
            lambda: acting.done() or _waiters(connection) >= waiters,
            PATIENCE_SECONDS,
            lambda: "neither waits nor ends",
        )
    return acting


def _waiters(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.rowcount)
