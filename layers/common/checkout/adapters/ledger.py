"""SQL of the application's database: users, ledger_entries and parked_events."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from psycopg2.extras import execute_values

from checkout.adapters.postgres import Cursor
from checkout.domain.effects import Effect
from checkout.errors import InvariantBroken

Claim = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where in Kafka a record came from."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that cannot be applied, and what it asked for where that could be read."""

    coordinates: Coordinates
    key: bytes | None
    value: bytes
    reason: str
    effect: Effect | None


def _rows(cursor: Cursor) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], cursor.fetchall())


def user_exists(cursor: Cursor, user_id: int) -> bool:
    cursor.execute("SELECT 1 FROM users WHERE id = %s", (user_id,))
    return cursor.fetchone() is not None


def add_user(cursor: Cursor, user_id: int, email: str) -> bool:
    """Whether there was none of that number."""
    cursor.execute(
        "INSERT INTO users (id, email) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING RETURNING id",
        (user_id, email),
    )
    return cursor.fetchone() is not None


def balance(cursor: Cursor, user_id: int) -> int | None:
    """Minor units; None where there is no such user."""
    cursor.execute("SELECT balance FROM users WHERE id = %s", (user_id,))
    row = cast(dict[str, Any] | None, cursor.fetchone())
    return None if row is None else int(row["balance"])


def lock_users(cursor: Cursor, user_ids: Collection[int]) -> set[int]:
    """Those of them that exist, locked in the order of their ids, so that two batches never deadlock.

    An application may go on inserting rows that refer to them.
    """
    cursor.execute("SELECT id FROM users WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", (list(user_ids),))
    return {row["id"] for row in _rows(cursor)}


def credit(cursor: Cursor, movements: Sequence[tuple[Effect, Coordinates]]) -> set[str]:
    """Enter the movements and add to each balance what was really entered, in one statement.

    The effect keys must be distinct and the users locked. Returns the keys that were entered now; the others
    were there before.
    """
    entries = [
        {
            "effect_key": effect.effect_key,
            "user_id": effect.user_id,
            "amount_cents": effect.amount_cents,
            "currency": effect.currency,
            "kind": effect.kind,
            "request_id": effect.request_id,
            "source_id": effect.source_id,
            "payment_intent_id": effect.payment_intent_id,
            "topic": at.topic,
            "partition": at.partition,
            "kafka_offset": at.offset,
        }
        for effect, at in movements
    ]
    # One text, since PostgreSQL takes longer to read a list of rows than to insert them.
    cursor.execute(
        """
        WITH entered AS (
            INSERT INTO ledger_entries
                (effect_key, user_id, amount_cents, currency, kind, request_id, source_id,
                 payment_intent_id, topic, partition, kafka_offset)
            SELECT * FROM json_to_recordset(%s) AS movement
                (effect_key TEXT, user_id BIGINT, amount_cents BIGINT, currency TEXT, kind TEXT,
                 request_id TEXT, source_id TEXT, payment_intent_id TEXT, topic TEXT, partition INT,
                 kafka_offset BIGINT)
            ORDER BY effect_key
            ON CONFLICT (effect_key) DO NOTHING
            RETURNING effect_key, user_id, amount_cents),
        moved AS (
            UPDATE users SET balance = balance + total.amount_cents
            FROM (SELECT user_id, sum(amount_cents) AS amount_cents FROM entered GROUP BY user_id) AS total
            WHERE users.id = total.user_id
            RETURNING users.id)
        SELECT effect_key, user_id, (SELECT count(*) FROM moved) AS users_moved FROM entered
        """,
        (json.dumps(entries),),
    )
    entered = _rows(cursor)
    if len({row["user_id"] for row in entered}) != (entered[0]["users_moved"] if entered else 0):
        raise InvariantBroken("entries without their user's balance moved")
    return {row["effect_key"] for row in entered}


def claims(cursor: Cursor, effect_keys: Collection[str]) -> dict[str, Claim]:
    """What the ledger says under these keys: (user_id, signed amount, currency)."""
    cursor.execute(
        "SELECT effect_key, user_id, amount_cents, currency FROM ledger_entries WHERE effect_key = ANY(%s)",
        (list(effect_keys),),
    )
    return {
        row["effect_key"]: (row["user_id"], row["amount_cents"], row["currency"]) for row in _rows(cursor)
    }


def parked_effects(
    cursor: Cursor, effect_keys: Collection[str]
) -> dict[tuple[str, Claim], Literal["open", "discarded"]]:
    """Which (effect key, claim) are parked and were not replayed since."""
    cursor.execute(
        "SELECT effect_key, user_id, amount_cents, currency, COALESCE(resolution, 'open') AS decision"
        " FROM parked_events WHERE effect_key = ANY(%s) AND resolution IS DISTINCT FROM 'replayed'"
        " ORDER BY resolution NULLS FIRST",
        (list(effect_keys),),
    )
    return {
        (row["effect_key"], (row["user_id"], row["amount_cents"], row["currency"])): row["decision"]
        for row in _rows(cursor)
    }


def parked_claims(cursor: Cursor, effect_keys: Collection[str]) -> set[tuple[str, Claim]]:
    """Which (effect key, claim) wait for an operator, or were discarded: they are not emitted again."""
    return set(parked_effects(cursor, effect_keys))


def park(cursor: Cursor, records: Sequence[Parked]) -> None:
    """A record that is parked already stays as it is."""
    execute_values(
        cursor,
        "INSERT INTO parked_events"
        " (topic, partition, kafka_offset, key, value, reason,"
        "  effect_key, user_id, amount_cents, currency, request_id)"
        " VALUES %s ON CONFLICT DO NOTHING",
        [
            (
                record.coordinates.topic,
                record.coordinates.partition,
                record.coordinates.offset,
                record.key,
                record.value,
                record.reason,
                record.effect and record.effect.effect_key,
                record.effect and record.effect.user_id,
                record.effect and record.effect.amount_cents,
                record.effect and record.effect.currency,
                record.effect and record.effect.request_id,
            )
            for record in records
        ],
        page_size=len(records),
    )


def move(
    cursor: Cursor,
    *,
    effect_key: str,
    user_id: int,
    amount_cents: int,
    currency: str,
    kind: str,
    allow_overdraft: bool,
    reason: str,
    operator: str,
) -> bool:
    """ledger_move: True where it was entered now, False where it was before. Raises psycopg2's errors, which
    become DataRefused with its SQLSTATE at the end of the transaction."""
    cursor.execute(
        "SELECT ledger_move(%s, %s, %s, %s, %s, allow_overdraft => %s, reason => %s, operator => %s)"
        " AS moved",
        (effect_key, user_id, amount_cents, currency, kind, allow_overdraft, reason, operator),
    )
    return bool(_rows(cursor)[0]["moved"])


def unopened(cursor: Cursor, *, after_user_id: int, limit: int) -> list[int]:
    """Users who have a balance and no entry, in the order of their ids. None is locked: what is committed
    while a lock is waited for could take a user off this list."""
    cursor.execute(
        "SELECT id FROM users WHERE id > %s AND balance <> 0"
        " AND NOT EXISTS (SELECT FROM ledger_entries WHERE user_id = users.id)"
        " ORDER BY id LIMIT %s",
        (after_user_id, limit),
    )
    return [row["id"] for row in _rows(cursor)]


def open_balances(cursor: Cursor, user_ids: Collection[int], *, currency: str, reason: str) -> int:
    """An entry, `opening:<user_id>`, of what these users' other entries do not explain; the balance stays as
    it is. The users are locked."""
    cursor.execute(
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, reason)"
        " SELECT 'opening:' || u.id, u.id, u.balance - entered.cents, %s, 'opening', %s FROM users u,"
        "   LATERAL (SELECT COALESCE(sum(amount_cents), 0) AS cents FROM ledger_entries WHERE user_id = u.id)"
        "   AS entered"
        " WHERE u.id = ANY(%s) AND u.balance <> entered.cents"
        "   AND NOT EXISTS (SELECT FROM ledger_entries WHERE effect_key = 'opening:' || u.id)",
        (currency, reason, list(user_ids)),
    )
    return cursor.rowcount


def unexplained(cursor: Cursor, user_id: int) -> tuple[int, bool] | None:
    """What the user's entries do not explain of the balance, and whether one of them is an opening; None if
    there is no such user."""
    cursor.execute(
        "SELECT u.balance - COALESCE(sum(e.amount_cents), 0) AS cents,"
        "       COALESCE(bool_or(e.kind = 'opening'), false) AS is_opened"
        " FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id WHERE u.id = %s GROUP BY u.id",
        (user_id,),
    )
    row = next(iter(_rows(cursor)), None)
    return None if row is None else (int(row["cents"]), row["is_opened"])


def rebuild_balance(cursor: Cursor, user_id: int) -> tuple[int, int]:
    """Set a locked user's balance to the sum of the entries; returns what it was and what it is."""
    cursor.execute(
        "UPDATE users SET balance ="
        " (SELECT COALESCE(sum(amount_cents), 0) FROM ledger_entries WHERE user_id = users.id)"
        " FROM (SELECT balance FROM users WHERE id = %s) AS before"
        " WHERE id = %s RETURNING before.balance AS before, users.balance AS after",
        (user_id, user_id),
    )
    [row] = _rows(cursor)
    return row["before"], row["after"]
