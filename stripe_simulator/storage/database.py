"""One thread owns the SQLite connection and runs every command, one after the other.

Commands that wait at the same time share one commit (and one fsync); one that raises is rolled back alone. A
result is returned only after the commit, so what was answered survives SIGKILL.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stripe_simulator.storage.schema import SCHEMA
from stripe_simulator.storage.transaction import Environment, Origin, Transaction

Result = TypeVar("Result")
Command = Callable[[Transaction], Result]

BATCH_LIMIT = 64
BACKGROUND = Origin()


@dataclass(frozen=True)
class _Job:
    command: Command[Any]
    origin: Origin
    future: "Future[Any]"


class Database:
    def __init__(
        self, path: Path, environment: Environment, committed: Callable[[Transaction], None]
    ) -> None:
        """`committed` is called in the writer's thread for each durable transaction."""
        self._environment = environment
        self._committed = committed
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = _connect(self._path)
        self._thread = threading.Thread(
            target=self._serve, args=(connection,), name="stripe-simulator-writer", daemon=True
        )
        self._thread.start()

    async def run(self, command: Command[Result], origin: Origin = BACKGROUND) -> Result:
        """Run a command and return once its effects are on disk. Raises what the command raises."""
        future: Future[Result] = Future()
        self._jobs.put(_Job(command, origin, future))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish all commands, then close the file."""
        if self._thread:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _serve(self, connection: sqlite3.Connection) -> None:
        with closing(connection):
            while self._serve_batch(connection):
                pass

    def _serve_batch(self, connection: sqlite3.Connection) -> bool:
        """Wait for commands and run those that are there; returns False once `close` was called."""
        waiting = [self._jobs.get()]
        while waiting[-1] is not None and len(waiting) < BATCH_LIMIT and not self._jobs.empty():
            waiting.append(self._jobs.get())
        jobs = [job for job in waiting if job is not None and job.future.set_running_or_notify_cancel()]
        self._commit(connection, jobs)
        return waiting[-1] is not None

    def _commit(self, connection: sqlite3.Connection, batch: list[_Job]) -> None:
        outcomes: list[tuple[_Job, Transaction, Any]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                transaction = Transaction(connection, self._environment, job.origin)
                outcomes.append((job, transaction, _attempt(job, transaction)))
                if not connection.in_transaction:
                    raise sqlite3.OperationalError("SQLite gave the whole batch up")
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for job in batch:
                job.future.set_exception(error)
            return
        for job, transaction, outcome in outcomes:
            if isinstance(outcome, _Raised):
                job.future.set_exception(outcome.error)
            else:
                self._committed(transaction)
                job.future.set_result(outcome)


@dataclass(frozen=True)
class _Raised:
    error: Exception


def _attempt(job: _Job, transaction: Transaction) -> Any:
    try:
        with transaction.savepoint():
            return job.command(transaction)
    except Exception as error:  # noqa: BLE001 - for the caller of this command, not for the batch
        return _Raised(error)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(SCHEMA)
    return connection
