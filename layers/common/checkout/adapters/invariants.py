"""SQL that looks for what must not be, a whole table at a time. It changes nothing.

The two databases can be different servers, so that nothing is joined across them: both say what they have of
each bucket of users as a count and a digest, and only buckets that differ are read.
"""

from collections.abc import Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, cast

import psycopg2.extensions

from checkout.adapters.postgres import Cursor
from checkout.domain.effects import DIRECTIONS, TOP_UP

BUCKETS = 1024
"""Of users, by user_id: each small enough to be held in memory."""

PATIENCE = {"statement_timeout": "120s", "idle_in_transaction_session_timeout": "300s"}
"""For a statement that reads a whole table, and for the transaction in the other database that waits for it;
everywhere else they are short."""

FETCHED_AT_ONCE = 10_000

Row = dict[str, Any]

_EFFECTS = {
    "checkout": (
        "SELECT 'success:' || request_id AS effect_key, user_id, paid_cents AS amount_cents,"
        "       paid_currency AS currency, completed_at AS at, request_id, payment_intent_id"
        " FROM checkout_transactions WHERE status = 'payment_succeeded' AND purpose = %(purpose)s"
        " UNION ALL"
        " SELECT r.effect_key, t.user_id,"
        "        CASE WHEN r.kind = ANY(%(down)s) THEN -r.amount_cents ELSE r.amount_cents END,"
        "        r.currency, r.emitted_at, t.request_id, r.payment_intent_id"
        " FROM reversals r JOIN checkout_transactions t ON t.payment_intent_id = r.payment_intent_id"
        " WHERE r.state = 'emitted'"
    ),
    "application": (
        "SELECT effect_key, user_id, amount_cents, currency, created_at AS at, request_id, payment_intent_id"
        " FROM ledger_entries WHERE kind = ANY(%(kinds)s)"
    ),
}
_PARAMETERS = {
    "purpose": TOP_UP,
    "kinds": list(DIRECTIONS),
    "down": [kind for kind, sign in DIRECTIONS.items() if sign < 0],
}


Digest = tuple[int, int]
"""How many effects, and the sum of their hashes."""


class Seen(NamedTuple):
    """An effect, as one of the databases has it. `is_settled`: older than what may still be under way."""

    effect_key: str
    user_id: int
    amount_cents: int
    currency: str
    is_settled: bool
    request_id: str | None
    payment_intent_id: str | None

    @property
    def claim(self) -> tuple[int, int, str]:
        return self.user_id, self.amount_cents, self.currency


def _rows(cursor: Cursor) -> list[Row]:
    return cast(list[Row], cursor.fetchall())


def take_time(cursor: Cursor) -> None:
    """For this transaction."""
    settings = ", ".join(["set_config(%s, %s, true)"] * len(PATIENCE))
    cursor.execute(f"SELECT {settings}", [part for pair in PATIENCE.items() for part in pair])


def digests(cursor: Cursor, database: str) -> dict[int, Digest]:
    """By bucket: what was paid or reversed (`database` checkout), or what is in the ledger (application)."""
    cursor.execute(
        f"SELECT user_id %% {BUCKETS} AS bucket, count(*) AS effects, sum(('x' ||"
        " substr(md5(concat_ws('|', effect_key, user_id, amount_cents, currency)), 1, 15)"
        ")::bit(60)::bigint) AS digest"
        f" FROM ({_EFFECTS[database]}) AS effect GROUP BY 1",
        _PARAMETERS,
    )
    return {row["bucket"]: (row["effects"], int(row["digest"])) for row in _rows(cursor)}


def effects(
    cursor: Cursor, database: str, buckets: Collection[int], *, settled_after_seconds: int
) -> Iterator[tuple[int, str, list[Seen]]]:
    """(bucket, database, those of this bucket), of these buckets in rising order. To be read within the
    transaction."""
    cursor.execute(
        "DECLARE effects NO SCROLL CURSOR FOR"
        f" SELECT user_id %% {BUCKETS} AS bucket, effect_key, user_id, amount_cents, currency,"
        "        at < now() - make_interval(secs => %(settled_after)s), request_id, payment_intent_id"
        f" FROM ({_EFFECTS[database]}) AS effect"
        # Of the same type, so that PostgreSQL hashes the list.
        f" WHERE user_id %% {BUCKETS} = ANY(%(buckets)s::bigint[]) ORDER BY 1",
        {**_PARAMETERS, "buckets": list(buckets), "settled_after": settled_after_seconds},
    )
    return (
        (bucket, database, [Seen(*row[1:]) for row in rows])
        for bucket, rows in groupby(_fetched(cursor), key=itemgetter(0))
    )


def _fetched(cursor: Cursor) -> Iterator[tuple[Any, ...]]:
    """Millions of rows are no dictionaries."""
    with cursor.connection.cursor(cursor_factory=psycopg2.extensions.cursor) as plain:
        while True:
            plain.execute("FETCH %s FROM effects", (FETCHED_AT_ONCE,))
            rows = plain.fetchall()
            if not rows:
                return
            yield from rows


def statuses(
    cursor: Cursor, request_ids: Collection[str], payment_intents: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Of the transactions that have these, by request_id and by payment intent."""
    cursor.execute(
        "SELECT request_id, payment_intent_id, status FROM checkout_transactions"
        " WHERE request_id = ANY(%s) OR payment_intent_id = ANY(%s)",
        (list(request_ids), list(payment_intents)),
    )
    rows = _rows(cursor)
    return (
        {row["request_id"]: row["status"] for row in rows},
        {row["payment_intent_id"]: row["status"] for row in rows},
    )


def reversal_states(cursor: Cursor, effect_keys: Collection[str]) -> dict[str, str]:
    """Of those that we know of."""
    cursor.execute("SELECT effect_key, state FROM reversals WHERE effect_key = ANY(%s)", (list(effect_keys),))
    return {row["effect_key"]: row["state"] for row in _rows(cursor)}


def _sampled(cursor: Cursor, query: str, parameters: tuple[object, ...], limit: int) -> tuple[int, list[Row]]:
    """How many rows the query has, and the first of them."""
    cursor.execute(
        f"WITH found AS ({query}) SELECT count(*) OVER () AS found_in_all, found.* FROM found LIMIT %s",
        (*parameters, limit),
    )
    rows = _rows(cursor)
    total = rows[0]["found_in_all"] if rows else 0
    return total, [{name: value for name, value in row.items() if name != "found_in_all"} for row in rows]


def wrong_balances(cursor: Cursor, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        cursor,
        "SELECT COALESCE(u.id, e.user_id) AS user_id, u.balance AS balance_cents,"
        "       COALESCE(e.total, 0)::text AS ledger_cents"
        " FROM users u FULL JOIN"
        "   (SELECT user_id, sum(amount_cents) AS total FROM ledger_entries GROUP BY user_id) e"
        "   ON e.user_id = u.id"
        " WHERE COALESCE(u.balance, 0) <> COALESCE(e.total, 0) ORDER BY 1",
        (),
        limit,
    )


def repeated_effects(cursor: Cursor, limit: int) -> tuple[int, list[Row]]:
    """Possible only where the constraint is gone."""
    return _sampled(
        cursor,
        "SELECT effect_key, count(*) AS entries FROM ledger_entries GROUP BY effect_key HAVING count(*) > 1",
        (),
        limit,
    )


def foreign_currencies(cursor: Cursor, currency: str, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        cursor,
        "SELECT effect_key, user_id, amount_cents, currency FROM ledger_entries WHERE currency <> %s",
        (currency,),
        limit,
    )


def open_parked(cursor: Cursor, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        cursor,
        "SELECT id, effect_key, reason, created_at FROM parked_events WHERE resolution IS NULL ORDER BY id",
        (),
        limit,
    )


def reversed_beyond_paid(cursor: Cursor, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        cursor,
        "SELECT request_id, user_id, paid_cents, refunded_cents, disputed_cents FROM checkout_transactions"
        " WHERE refunded_cents + disputed_cents > paid_cents ORDER BY id",
        (),
        limit,
    )


def old_outbox(cursor: Cursor, seconds: int, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        cursor,
        "SELECT effect_key, topic, created_at FROM outbox"
        " WHERE created_at < now() - make_interval(secs => %s) ORDER BY id",
        (seconds,),
        limit,
    )


def unsettled_events(cursor: Cursor, outcome: str, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        cursor,
        "SELECT event_id, type, reason, received_at FROM stripe_events WHERE outcome = %s"
        " ORDER BY received_at",
        (outcome,),
        limit,
    )
