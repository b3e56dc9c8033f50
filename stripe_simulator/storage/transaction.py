"""The account as one command sees and changes it."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from stripe_simulator.settings import API_VERSION, Settings
from stripe_simulator.webhooks.spoiling import Spoiler

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Environment:
    """The parts that all transactions share. `clock` returns unix seconds."""

    settings: Settings
    spoiler: Spoiler
    clock: Callable[[], float]


@dataclass(frozen=True)
class Origin:
    """The API request that caused a change; `request_id` is empty for the page and for timers."""

    request_id: str = ""
    idempotency_key: str | None = None
    api_version: str = API_VERSION


class Transaction:
    """A command's changes are durable once its result is returned, all of them or none.

    Objects are returned as copies: a change counts only after `update`.
    """

    def __init__(self, connection: sqlite3.Connection, environment: Environment, origin: Origin) -> None:
        self._connection = connection
        self.environment = environment
        self.settings = environment.settings
        self.origin = origin
        self.time = environment.clock()
        self.messages: list[str] = []
        self.scheduled = False
        self.emitted = 0

    @property
    def now(self) -> int:
        return int(self.time)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def insert(self, body: Json, private: Mapping[str, Any] | None = None) -> None:
        """Store a new object. `private` has values that the API never shows."""
        self.execute(
            "INSERT INTO objects (id, kind, created, body, private) VALUES (?, ?, ?, ?, ?)",
            body["id"],
            body["object"],
            body["created"],
            json.dumps(body),
            json.dumps(private or {}),
        )

    def update(self, body: Json) -> None:
        self.execute("UPDATE objects SET body = ? WHERE id = ?", json.dumps(body), body["id"])

    def put(self, body: Json) -> None:
        """Store an object, in the place of the one with its id if there is one."""
        if self.find(body["object"], body["id"]) is None:
            self.insert(body)
        else:
            self.update(body)

    def delete(self, object_id: str) -> None:
        self.execute("DELETE FROM objects WHERE id = ?", object_id)

    def find(self, kind: str, object_id: str) -> Json | None:
        row = self.execute("SELECT body FROM objects WHERE id = ? AND kind = ?", object_id, kind).fetchone()
        return None if row is None else _object(row[0])

    def get(self, kind: str, object_id: str) -> Json:
        """An object that must exist, since the simulator itself created the reference to it."""
        found = self.find(kind, object_id)
        if found is None:
            raise LookupError(f"{kind} {object_id} is referred to but was never stored")
        return found

    def all(self, kind: str, field: str | None = None, value: str | None = None) -> list[Json]:
        """The objects of a kind, oldest first; with `field`, those whose top-level field has the value."""
        condition = "" if field is None else f" AND json_extract(body, '$.{field}') = ?"
        rows = self.execute(
            f"SELECT body FROM objects WHERE kind = ?{condition} ORDER BY seq",  # noqa: S608
            kind,
            *(() if field is None else (value,)),
        )
        return [_object(row[0]) for row in rows]

    def select(
        self, conditions: Sequence[tuple[str, tuple[Any, ...]]], *, oldest_first: bool, limit: int
    ) -> list[Json]:
        """The objects that meet all conditions, each of which is SQL over `objects` with its values."""
        where = " AND ".join(sql for sql, _ in conditions)
        order = "ASC" if oldest_first else "DESC"
        rows = self.execute(
            f"SELECT body FROM objects WHERE {where} ORDER BY seq {order} LIMIT ?",  # noqa: S608
            *(value for _, values in conditions for value in values),
            limit,
        )
        return [_object(row[0]) for row in rows]

    def private(self, object_id: str) -> Json:
        row = self.execute("SELECT private FROM objects WHERE id = ?", object_id).fetchone()
        return _object(row[0])

    def remember(self, object_id: str, private: Mapping[str, Any]) -> None:
        """Replace the object's `private` values."""
        self.execute("UPDATE objects SET private = ? WHERE id = ?", json.dumps(private), object_id)

    def after(self, seconds: float, action: str, subject: str) -> None:
        """Schedule an action of `resources.timers` for an object; it survives a crash."""
        self.execute(
            "INSERT INTO timers (due_at, action, subject) VALUES (?, ?, ?)",
            self.time + seconds,
            action,
            subject,
        )
        self.scheduled = True

    def say(self, message: str) -> None:
        """Print one line once this is committed."""
        self.messages.append(message)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Roll back the block if it raises."""
        said = len(self.messages)
        self.execute("SAVEPOINT attempt")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK TO attempt")
            del self.messages[said:]
            raise
        finally:
            self.execute("RELEASE attempt")


def _object(text: str) -> Json:
    body: Json = json.loads(text)
    return body
