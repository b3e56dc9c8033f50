"""SQL of the checks of payments, ledger and balances, a range of users at a time. It changes nothing.

The two databases can be different servers, so nothing is joined across them: both return a count and a digest
of a range, and only a range that differs is read. Every statement is bounded by its range;
only a single user is never divided.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId, least
from checkout.operations.comparison import Seen
from checkout.outbox.effects import DIRECTIONS, TAKINGS, TOP_UP
from checkout.payments import table as payments_table

RANGE = 20_000
"""The most ledger entries, payments or users of a range. All of it is in memory if it differs."""

Side = Literal["checkout", "application"]

_SIZES: Mapping[Side, tuple[tuple[str, str], ...]] = {
    "application": (("ledger_entries", "user_id"), ("users", "id")),
    "checkout": (("checkout_transactions", "user_id"),),
}
# Of our own tables, whose texts are compared byte by byte.
IN_RANGE = "user_id > %(after)s AND user_id <= %(upto)s"
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
        f" FROM ledger_entries WHERE {IN_RANGE} AND kind = ANY(%(kinds)s)"
    ),
}
PAYMENTS = (
    "WITH payments AS MATERIALIZED ("
    f" SELECT request_id, user_id, {payments_table.PAID_BY} AS payment_intent_id, paid_cents, paid_currency,"
    f"       completed_at, {payments_table.CREDITED_CENTS} AS credited_cents,"
    "        refunded_cents, disputed_cents,"
    "        status = 'payment_succeeded' AND purpose = %(purpose)s AS is_paid"
    f" FROM checkout_transactions WHERE {IN_RANGE}),"
    " reversed AS MATERIALIZED ("
    " SELECT r.effect_key, p.user_id,"
    "        CASE WHEN r.kind = ANY(%(down)s) THEN -1 ELSE 1 END * CASE"
    "          WHEN r.credit_cents IS NULL AND r.state = 'held' AND p.paid_cents > 0"
    "          THEN round(r.amount_cents::numeric * p.credited_cents / p.paid_cents)::bigint"
    "          ELSE COALESCE(r.credit_cents, r.amount_cents) END AS amount_cents,"
    "        r.amount_cents AS money_cents, r.kind = ANY(%(down)s) AS is_down,"
    "        r.currency, r.emitted_at, p.request_id, r.payment_intent_id, r.state,"
    "        r.state = 'held' AND NOT EXISTS (SELECT FROM stripe_events e WHERE e.event_id = r.event_id"
    "          AND e.outcome IN ('held', 'waiting')) AS is_discarded"
    " FROM payments p JOIN reversals r ON r.payment_intent_id = p.payment_intent_id)"
)
# Division of integers: that of numerics is rounded to some 16 digits.
SHARES = (
    " shares AS ("
    " SELECT p.request_id, p.user_id, p.paid_cents, p.credited_cents, reversed_cents, taken_cents,"
    "        div(2 * p.credited_cents::numeric * reversed_cents + p.paid_cents,"
    "          2 * p.paid_cents::numeric) AS share_cents"
    " FROM payments p JOIN ("
    "   SELECT request_id, -sum(amount_cents) AS taken_cents,"
    "          sum(CASE WHEN is_down THEN money_cents ELSE -money_cents END) AS reversed_cents"
    "   FROM reversed WHERE state = 'emitted' GROUP BY request_id) AS moved USING (request_id)"
    " WHERE p.is_paid AND p.paid_cents > 0)"
)
UNEQUAL = "taken_cents <> share_cents AND reversed_cents >= 0"
WITHOUT_INTENT = "is_paid AND paid_cents > 0 AND payment_intent_id IS NULL"
# A credit is its payment intent's, if it knows that: outbox/effects.py says why.
_DIGEST = (
    "('x' || substr(md5(concat_ws('|', CASE WHEN effect_key LIKE 'success:%%'"
    " THEN COALESCE('paid:' || payment_intent_id, effect_key) ELSE effect_key END,"
    " user_id, amount_cents, currency)), 1, 15))::bit(60)::bigint"
)
_PARAMETERS = {
    "purpose": TOP_UP,
    "kinds": list(DIRECTIONS),
    "down": list(TAKINGS),
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
    unequal_shares: int
    without_payment_intent: int


def parameters(users: Users, **more: object) -> dict[str, object]:
    return {**_PARAMETERS, "after": users.after, "upto": users.upto, **more}


def users_of(tx: Transaction) -> str:
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
        f" FROM ledger_entries WHERE {IN_RANGE} GROUP BY user_id)"
        " SELECT COALESCE(sum(effects), 0) AS effects, COALESCE(sum(digest), 0) AS digest,"
        "        COALESCE(sum(entries), 0) AS entries,"
        "        count(*) FILTER (WHERE COALESCE(balance, 0) <> COALESCE(total, 0)) AS wrong_balances,"
        "        COALESCE(sum(foreign_currencies), 0) AS foreign_currencies"
        " FROM of_user FULL JOIN"
        f"  {users_of(tx)} AS u ON u.id = of_user.user_id",
        parameters(users, currency=currency),
    )
    return InLedger(**{name: int(number) for name, number in tx.fetchall()[0].items()})


def in_checkout(tx: Transaction, users: Users) -> InCheckout:
    tx.execute(
        f"{PAYMENTS}, {SHARES}, effects AS ({_EFFECTS['checkout']})"
        f" SELECT count(*) AS effects, COALESCE(sum({_DIGEST}), 0) AS digest,"
        "         (SELECT count(*) FROM reversed WHERE is_discarded) AS discarded_reversals,"
        "         (SELECT count(*) FROM payments WHERE refunded_cents + disputed_cents > paid_cents)"
        "           AS reversed_beyond_paid,"
        f"        (SELECT count(*) FROM shares WHERE {UNEQUAL}) AS unequal_shares,"
        f"        (SELECT count(*) FROM payments WHERE {WITHOUT_INTENT})"
        "           AS without_payment_intent"
        " FROM effects",
        parameters(users),
    )
    return InCheckout(**{name: int(number) for name, number in tx.fetchall()[0].items()})


def effects(tx: Transaction, side: Side, users: Users, *, settled_after_seconds: int) -> list[Seen]:
    """A range's payments and reversals (checkout), or its ledger entries (application)."""
    return _seen(
        tx,
        f"{PAYMENTS if side == 'checkout' else ''}"
        " SELECT effect_key, user_id, amount_cents, currency,"
        "        at < now() - make_interval(secs => %(settled_after)s), request_id, payment_intent_id"
        f" FROM ({_EFFECTS[side]}) AS effect ORDER BY user_id, effect_key",
        parameters(users, settled_after=settled_after_seconds),
    )


def discarded_reversals(tx: Transaction, users: Users) -> list[Seen]:
    """Reversals that Stripe made and an operator discarded."""
    return _seen(
        tx,
        f"{PAYMENTS} SELECT effect_key, user_id, amount_cents, currency, true, request_id, payment_intent_id"
        " FROM reversed WHERE is_discarded ORDER BY user_id, effect_key",
        parameters(users),
    )


def _seen(tx: Transaction, query: str, values: Mapping[str, object]) -> list[Seen]:
    return [Seen(*row) for row in tx.tuples(query, values)]


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
