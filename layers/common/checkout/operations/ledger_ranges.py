"""SQL of the checks of payments, ledger and balances, a range of users at a time. It changes nothing.

The two databases can be different servers, so nothing is joined across them: both return a count and a digest
of a range, and only a range that differs is read. Every statement is bounded by its range;
only a single user is never divided.
"""

from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId, least
from checkout.operations.comparison import Seen
from checkout.outbox.effects import DIRECTIONS, TOP_UP
from checkout.payments import table as payments_table

RANGE = 20_000
"""The most ledger entries, payments or users of a range. All of it is in memory if it differs."""

Side = Literal["checkout", "application"]
Row = dict[str, Any]

_SIZES: Mapping[Side, tuple[tuple[str, str], ...]] = {
    "application": (("ledger_entries", "user_id"), ("users", "id")),
    "checkout": (("checkout_transactions", "user_id"),),
}
# Of our own tables, whose texts are compared byte by byte.
_IN_RANGE = "user_id > %(after)s AND user_id <= %(upto)s"
_EFFECTS: Mapping[Side, str] = {
    "checkout": (
        "SELECT 'success:' || request_id AS effect_key, user_id, credited_cents AS amount_cents,"
        "       paid_currency AS currency, completed_at AS at, request_id, payment_intent_id"
        " FROM payments WHERE is_paid"
        " UNION ALL"
        " SELECT effect_key, user_id, amount_cents, currency, emitted_at, request_id, payment_intent_id"
        " FROM reversed WHERE state = 'emitted' AND amount_cents <> 0"
    ),
    "application": (
        "SELECT effect_key, user_id, amount_cents, currency, created_at AS at, request_id, payment_intent_id"
        f" FROM ledger_entries WHERE {_IN_RANGE} AND kind = ANY(%(kinds)s)"
    ),
}
_PAYMENTS = (
    "WITH payments AS MATERIALIZED ("
    " SELECT request_id, user_id, payment_intent_id, paid_cents, paid_currency, completed_at,"
    f"       {payments_table.CREDITED_CENTS} AS credited_cents,"
    "        refunded_cents, disputed_cents,"
    "        status = 'payment_succeeded' AND purpose = %(purpose)s AS is_paid"
    f" FROM checkout_transactions WHERE {_IN_RANGE}),"
    " reversed AS MATERIALIZED ("
    " SELECT r.effect_key, p.user_id,"
    "        CASE WHEN r.kind = ANY(%(down)s) THEN -1 ELSE 1 END * CASE"
    "          WHEN r.credit_cents IS NULL AND r.state = 'held' AND p.paid_cents > 0"
    "          THEN round(r.amount_cents::numeric * p.credited_cents / p.paid_cents)::bigint"
    "          ELSE COALESCE(r.credit_cents, r.amount_cents) END AS amount_cents,"
    "        r.currency, r.emitted_at, p.request_id, r.payment_intent_id, r.state,"
    "        r.state = 'held' AND NOT EXISTS (SELECT FROM stripe_events e WHERE e.event_id = r.event_id"
    "          AND e.outcome IN ('held', 'waiting')) AS is_discarded"
    " FROM payments p JOIN reversals r ON r.payment_intent_id = p.payment_intent_id)"
)
_WITHOUT_INTENT = "is_paid AND paid_cents > 0 AND payment_intent_id IS NULL"
# A credit is its payment intent's, if it knows that: outbox/effects.py says why.
_DIGEST = (
    "('x' || substr(md5(concat_ws('|', CASE WHEN effect_key LIKE 'success:%%'"
    " THEN COALESCE('paid:' || payment_intent_id, effect_key) ELSE effect_key END,"
    " user_id, amount_cents, currency)), 1, 15))::bit(60)::bigint"
)
_PARAMETERS = {
    "purpose": TOP_UP,
    "kinds": list(DIRECTIONS),
    "down": [kind for kind, sign in DIRECTIONS.items() if sign < 0],
}


class Users(NamedTuple):
    """A range: those with an id above `after`, up to and including `upto`."""

    after: UserId
    upto: UserId


class InLedger(NamedTuple):
    """A range in the application's database, in numbers."""

    effects: int
    digest: int
    entries: int
    wrong_balances: int
    foreign_currencies: int


class InCheckout(NamedTuple):
    """A range in the checkout database, in numbers."""

    effects: int
    digest: int
    discarded_reversals: int
    reversed_beyond_paid: int
    without_payment_intent: int


def _parameters(users: Users, **more: object) -> dict[str, object]:
    return {**_PARAMETERS, "after": users.after, "upto": users.upto, **more}


def _users(tx: Transaction) -> str:
    """The users of a range, in the order of our own tables whatever the application's is."""
    collate = tx.user_ids.collate
    return (
        f"(SELECT id{collate} AS id, balance FROM users"
        f" WHERE id > %(after)s{collate} AND id <= %(upto)s{collate})"
    )


def end_of_range(tx: Transaction, side: Side, after: UserId) -> UserId:
    """The last user of a range after `after`, as far as this database is concerned."""
    ends, collate = [], tx.user_ids.collate
    for table, column in _SIZES[side]:
        tx.execute(
            f"SELECT {column} AS user_id FROM {table} WHERE {column} > %s{collate}"
            f" ORDER BY {column}{collate} OFFSET %s LIMIT 1",
            (after, RANGE - 1),
        )
        ends += [row["user_id"] for row in tx.fetchall()]
    return least([*ends, tx.user_ids.last])


def in_ledger(tx: Transaction, users: Users, currency: str) -> InLedger:
    """`currency` is that of the balances."""
    tx.execute(
        "WITH of_user AS ("
        " SELECT user_id, sum(amount_cents) AS total, count(*) AS entries,"
        "        count(*) FILTER (WHERE kind = ANY(%(kinds)s)) AS effects,"
        f"       sum({_DIGEST}) FILTER (WHERE kind = ANY(%(kinds)s)) AS digest,"
        "        count(*) FILTER (WHERE currency <> %(currency)s) AS foreign_currencies"
        f" FROM ledger_entries WHERE {_IN_RANGE} GROUP BY user_id)"
        " SELECT COALESCE(sum(effects), 0) AS effects, COALESCE(sum(digest), 0) AS digest,"
        "        COALESCE(sum(entries), 0) AS entries,"
        "        count(*) FILTER (WHERE COALESCE(balance, 0) <> COALESCE(total, 0)) AS wrong_balances,"
        "        COALESCE(sum(foreign_currencies), 0) AS foreign_currencies"
        " FROM of_user FULL JOIN"
        f"  {_users(tx)} AS u ON u.id = of_user.user_id",
        _parameters(users, currency=currency),
    )
    return InLedger(**{name: int(number) for name, number in tx.fetchall()[0].items()})


def in_checkout(tx: Transaction, users: Users) -> InCheckout:
    tx.execute(
        f"{_PAYMENTS}, effects AS ({_EFFECTS['checkout']})"
        f" SELECT count(*) AS effects, COALESCE(sum({_DIGEST}), 0) AS digest,"
        "         (SELECT count(*) FROM reversed WHERE is_discarded) AS discarded_reversals,"
        "         (SELECT count(*) FROM payments WHERE refunded_cents + disputed_cents > paid_cents)"
        "           AS reversed_beyond_paid,"
        f"        (SELECT count(*) FROM payments WHERE {_WITHOUT_INTENT})"
        "           AS without_payment_intent"
        " FROM effects",
        _parameters(users),
    )
    return InCheckout(**{name: int(number) for name, number in tx.fetchall()[0].items()})


def effects(tx: Transaction, side: Side, users: Users, *, settled_after_seconds: int) -> list[Seen]:
    """A range's payments and reversals (checkout), or its ledger entries (application)."""
    return _seen(
        tx,
        f"{_PAYMENTS if side == 'checkout' else ''}"
        " SELECT effect_key, user_id, amount_cents, currency,"
        "        at < now() - make_interval(secs => %(settled_after)s), request_id, payment_intent_id"
        f" FROM ({_EFFECTS[side]}) AS effect ORDER BY user_id, effect_key",
        _parameters(users, settled_after=settled_after_seconds),
    )


def discarded_reversals(tx: Transaction, users: Users) -> list[Seen]:
    """Reversals that Stripe made and an operator discarded."""
    return _seen(
        tx,
        f"{_PAYMENTS} SELECT effect_key, user_id, amount_cents, currency, true, request_id, payment_intent_id"
        " FROM reversed WHERE is_discarded ORDER BY user_id, effect_key",
        _parameters(users),
    )


def _seen(tx: Transaction, query: str, parameters: Mapping[str, object]) -> list[Seen]:
    return [Seen(*row) for row in tx.tuples(query, parameters)]


def statuses(
    tx: Transaction, request_ids: Collection[str], payment_intents: Collection[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The statuses of these payments, by request_id and by payment intent."""
    tx.execute(
        "SELECT request_id, payment_intent_id, status FROM checkout_transactions"
        " WHERE request_id = ANY(%s) OR payment_intent_id = ANY(%s)",
        (list(request_ids), list(payment_intents)),
    )
    rows = tx.fetchall()
    return (
        {row["request_id"]: row["status"] for row in rows},
        {row["payment_intent_id"]: row["status"] for row in rows},
    )


def reversal_states(tx: Transaction, effect_keys: Collection[str]) -> dict[str, str]:
    """The states of those that we know, by effect key."""
    tx.execute("SELECT effect_key, state FROM reversals WHERE effect_key = ANY(%s)", (list(effect_keys),))
    return {row["effect_key"]: row["state"] for row in tx.fetchall()}


def wrong_balances(tx: Transaction, users: Users) -> list[Row]:
    tx.execute(
        "SELECT COALESCE(u.id, e.user_id) AS user_id, u.balance AS balance_cents,"
        "       COALESCE(e.total, 0)::text AS ledger_cents"
        f" FROM {_users(tx)} AS u FULL JOIN"
        "   (SELECT user_id, sum(amount_cents) AS total FROM ledger_entries"
        f"   WHERE {_IN_RANGE} GROUP BY user_id) AS e ON e.user_id = u.id"
        " WHERE COALESCE(u.balance, 0) <> COALESCE(e.total, 0) ORDER BY 1",
        _parameters(users),
    )
    return tx.fetchall()


def foreign_currencies(tx: Transaction, users: Users, currency: str) -> list[Row]:
    tx.execute(
        "SELECT effect_key, user_id, amount_cents, currency FROM ledger_entries"
        f" WHERE {_IN_RANGE} AND currency <> %(currency)s ORDER BY user_id, id",
        _parameters(users, currency=currency),
    )
    return tx.fetchall()


def reversed_beyond_paid(tx: Transaction, users: Users) -> list[Row]:
    tx.execute(
        "SELECT request_id, user_id, paid_cents, refunded_cents, disputed_cents FROM checkout_transactions"
        f" WHERE {_IN_RANGE} AND refunded_cents + disputed_cents > paid_cents ORDER BY user_id, id",
        _parameters(users),
    )
    return tx.fetchall()


def without_payment_intent(tx: Transaction, users: Users) -> list[Row]:
    """Succeeded payments without a payment intent, by which Stripe's books would have what was paid."""
    tx.execute(
        f"{_PAYMENTS}"
        " SELECT request_id, 0 AS stripe_cents, paid_cents AS our_cents, paid_currency AS currency"
        f" FROM payments WHERE {_WITHOUT_INTENT} ORDER BY user_id, request_id",
        _parameters(users),
    )
    return tx.fetchall()
