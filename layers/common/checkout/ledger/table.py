"""SQL of the application's database: users and ledger_entries."""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any

from checkout.base.errors import BalanceNotMoved
from checkout.base.postgres import Transaction, array
from checkout.base.user_ids import UserId
from checkout.outbox.effects import Effect
from checkout.outbox.record import Record

Claim = tuple[UserId, int, str, str | None]
"""User, signed amount, currency, payment intent."""

_COLUMNS = {
    **{"effect_key": "text", "user_id": "", "amount_cents": "bigint", "currency": "text"},
    **{"kind": "text", "request_id": "text", "source_id": "text", "payment_intent_id": "text"},
    **{"dispute_id": "text", "topic": "text", "partition": "int", "kafka_offset": "bigint"},
}
"""Of ledger_entries, each with its type: what a movement says, as _of_effect and _of_record read it. That of
a user's id is USER_ID_TYPE."""

_of_effect = attrgetter(
    *("effect_key", "user_id", "amount_cents", "currency", "kind", "request_id", "source_id"),
    *("payment_intent_id", "dispute_id"),
)
_of_record = attrgetter("topic", "partition", "offset")


def _rows(tx: Transaction) -> list[dict[str, Any]]:
    return tx.fetchall()


def user_exists(tx: Transaction, user_id: UserId) -> bool:
    tx.execute("SELECT 1 FROM users WHERE id = %s", (user_id,))
    return tx.fetchone() is not None


def has_emails(tx: Transaction) -> bool:
    """False if users is the application's own table or view, and has no such column."""
    tx.execute(
        "SELECT 1 FROM pg_attribute"
        " WHERE attrelid = 'users'::regclass AND attname = 'email' AND NOT attisdropped"
    )
    return tx.fetchone() is not None


def add_user(tx: Transaction, user_id: UserId, email: str) -> bool:
    """Return True if the user was created."""
    tx.execute(
        "INSERT INTO users (id, email) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING RETURNING id",
        (user_id, email),
    )
    return tx.fetchone() is not None


def balance(tx: Transaction, user_id: UserId) -> int | None:
    """Minor units; None if there is no such user."""
    tx.execute("SELECT balance FROM users WHERE id = %s", (user_id,))
    row = tx.fetchone()
    return None if row is None else int(row["balance"])


def lock_users(
    tx: Transaction, user_ids: Collection[UserId], *, skip_locked: bool = False
) -> dict[UserId, int]:
    """Lock those that exist, in the order of their ids, so batches never deadlock. Returns their balances.

    With `skip_locked` those that another transaction locks are left out. An application may go on inserting
    rows that refer to the users.
    """
    rows = tx.tuples(
        f"SELECT id, balance FROM users WHERE id = ANY(%s::{tx.user_ids.array}) ORDER BY id"
        " FOR NO KEY UPDATE" + (" SKIP LOCKED" if skip_locked else ""),
        (array(user_ids),),
    )
    return dict(rows)


def existing_users(tx: Transaction, user_ids: Collection[UserId]) -> set[UserId]:
    tx.execute(f"SELECT id FROM users WHERE id = ANY(%s::{tx.user_ids.array})", (array(user_ids),))
    return {row["id"] for row in _rows(tx)}


def credit(
    tx: Transaction, movements: Sequence[tuple[Effect, Record]], balances: Mapping[UserId, int]
) -> set[str]:
    """Enter the movements and add to each balance what was really entered, in one statement.

    The effect keys must be distinct, and the users locked with these balances. Returns the keys that were
    entered now; of the others the ledger has the key or the payment. Raises BalanceNotMoved.
    """
    rows = [_of_effect(effect) + _of_record(record) for effect, record in movements]
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True))
    # One value for a column that says the same in all rows, as most do. Otherwise a text a column, since
    # PostgreSQL takes longer to read a list of rows than to insert them; and the ids of the users, since it
    # would read all users to find those of the rows.
    same = {name: all_[0] for name, all_ in columns.items() if all_.count(all_[0]) == len(all_)}
    same.pop("effect_key", None)
    arrays = {name: array(all_) for name, all_ in columns.items() if name not in same}
    selected = [
        f"unnest(%({name})s::{type_}[]) AS {name}" if name in arrays else f"%({name})s::{type_}"
        for name, type_ in (_COLUMNS | {"user_id": tx.user_ids.name}).items()
    ]
    returned = tx.tuples(
        f"""
        WITH entered AS (
            INSERT INTO ledger_entries ({", ".join(_COLUMNS)})
            SELECT {", ".join(selected)}
            ORDER BY effect_key
            ON CONFLICT DO NOTHING
            RETURNING effect_key, user_id, amount_cents),
        moved AS (
            UPDATE users SET balance = balance + total.amount_cents
            FROM (SELECT user_id, sum(amount_cents)::bigint AS amount_cents
                  FROM entered GROUP BY user_id) AS total
            WHERE users.id = total.user_id{tx.user_ids.collate}
              AND users.id = ANY(%(locked)s::{tx.user_ids.array})
            RETURNING users.id, users.balance)
        SELECT effect_key, NULL AS id, NULL AS balance FROM entered
        UNION ALL SELECT NULL, id, balance FROM moved
        """,
        {**same, **arrays, "locked": array(balances)},
    )
    keys = {key for key, _, _ in returned if key is not None}
    entered = [effect for effect, _ in movements if effect.effect_key in keys]
    expected = dict(balances)
    for effect in entered:
        expected[effect.user_id] += effect.amount_cents
    after = {user_id: balance for key, user_id, balance in returned if key is None}
    unmoved = {one.user_id for one in entered if after.get(one.user_id) != expected[one.user_id]}
    if unmoved:
        raise BalanceNotMoved(unmoved)
    return keys


def claims(tx: Transaction, effect_keys: Collection[str]) -> dict[str, Claim]:
    """What the entries under these keys say, without their other columns: there may be thousands."""
    rows = tx.tuples(
        "SELECT effect_key, user_id, amount_cents, currency, payment_intent_id FROM ledger_entries"
        " WHERE effect_key = ANY(%s::text[])",
        (array(effect_keys),),
    )
    return {key: (user_id, amount, currency, intent) for key, user_id, amount, currency, intent in rows}


def related(
    tx: Transaction,
    effect_keys: Collection[str],
    payment_intents: Collection[str],
    disputed: Collection[UserId],
) -> list[Effect]:
    """Entries under these keys, credits of these payment intents, and what disputes took from these users or
    gave back. An entry may come twice."""
    columns = (
        "effect_key, user_id, amount_cents, currency, kind, request_id, source_id, payment_intent_id,"
        " dispute_id"
    )
    tx.execute(
        f"SELECT {columns} FROM ledger_entries WHERE effect_key = ANY(%s::text[])"
        f" UNION ALL SELECT {columns} FROM ledger_entries"
        "   WHERE kind = 'success' AND payment_intent_id = ANY(%s::text[])"
        f" UNION ALL SELECT {columns} FROM ledger_entries"
        f"   WHERE kind = 'disputed' AND user_id = ANY(%s::{tx.user_ids.array})"
        f" UNION ALL SELECT {columns} FROM ledger_entries"
        f"   WHERE kind = 'dispute_won' AND user_id = ANY(%s::{tx.user_ids.array})",
        (array(effect_keys), array(payment_intents), array(disputed), array(disputed)),
    )
    # Only what an application entered itself has no request_id, and its keys are not those of payments.
    return [Effect(**{**row, "request_id": row["request_id"] or ""}) for row in _rows(tx)]


def move(
    tx: Transaction,
    *,
    effect_key: str,
    user_id: UserId,
    amount_cents: int,
    currency: str,
    kind: str,
    allow_overdraft: bool,
    reason: str,
    operator: str,
) -> bool:
    """Call ledger_move. Return True if it was entered now, False if before. Raises psycopg2's errors, which
    become DataRefused with its SQLSTATE at the end of the transaction."""
    tx.execute(
        "SELECT ledger_move(%s, %s, %s, %s, %s, allow_overdraft => %s, reason => %s, operator => %s)"
        " AS moved",
        (effect_key, user_id, amount_cents, currency, kind, allow_overdraft, reason, operator),
    )
    return bool(_rows(tx)[0]["moved"])


def unopened(tx: Transaction, *, after_user_id: UserId, limit: int) -> list[UserId]:
    """Users who have a balance and no entry, in the order of their ids. None is locked: what another
    transaction commits while we wait for its lock could take a user off this list."""
    tx.execute(
        "SELECT id FROM users WHERE id > %s AND balance <> 0"
        f" AND NOT EXISTS (SELECT FROM ledger_entries WHERE user_id = users.id{tx.user_ids.collate})"
        " ORDER BY id LIMIT %s",
        (after_user_id, limit),
    )
    return [row["id"] for row in _rows(tx)]


def open_balances(tx: Transaction, user_ids: Collection[UserId], *, currency: str, reason: str) -> int:
    """Enter `opening:<user_id>` for what the users' other entries do not explain; balances stay as they are.
    The users must be locked. Returns how many were entered."""
    tx.execute(
        "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, reason)"
        " SELECT 'opening:' || u.id, u.id, u.balance - entered.cents, %s, 'opening', %s FROM users u,"
        "   LATERAL (SELECT COALESCE(sum(amount_cents), 0) AS cents FROM ledger_entries"
        f"  WHERE user_id = u.id{tx.user_ids.collate}) AS entered"
        f" WHERE u.id = ANY(%s::{tx.user_ids.array}) AND u.balance <> entered.cents"
        "   AND NOT EXISTS (SELECT FROM ledger_entries WHERE effect_key = 'opening:' || u.id)",
        (currency, reason, array(user_ids)),
    )
    return tx.rowcount


def unexplained(tx: Transaction, user_id: UserId) -> tuple[int, bool] | None:
    """What the user's entries do not explain of the balance, and whether one of them is an opening; None if
    there is no such user."""
    tx.execute(
        "SELECT u.balance - COALESCE(sum(e.amount_cents), 0) AS cents,"
        "       COALESCE(bool_or(e.kind = 'opening'), false) AS is_opened"
        f" FROM users u LEFT JOIN ledger_entries e ON e.user_id = u.id{tx.user_ids.collate} WHERE u.id = %s"
        " GROUP BY u.id, u.balance",
        (user_id,),
    )
    row = next(iter(_rows(tx)), None)
    return None if row is None else (int(row["cents"]), row["is_opened"])


def rebuild_balance(tx: Transaction, user_id: UserId) -> tuple[int, int]:
    """Set a locked user's balance to the sum of the entries; returns what it was and what it is. Raises
    BalanceNotMoved."""
    tx.execute(
        "UPDATE users SET balance = entered.cents FROM"
        " (SELECT COALESCE(sum(amount_cents), 0) AS cents FROM ledger_entries WHERE user_id = %s) AS entered,"
        " (SELECT balance FROM users WHERE id = %s) AS before"
        " WHERE id = %s RETURNING before.balance AS before, users.balance AS after, entered.cents",
        (user_id, user_id, user_id),
    )
    row = next(iter(_rows(tx)), None)
    if row is None or row["after"] != row["cents"]:
        raise BalanceNotMoved({user_id})
    return row["before"], row["after"]
