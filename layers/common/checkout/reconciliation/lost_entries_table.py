"""SQL that finds lost ledger entries: what the checkout database says was entered, and what the ledger has.

Rows are tuples instead of dictionaries: there may be millions.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from checkout.base.postgres import Transaction, take_time
from checkout.base.user_ids import UserId
from checkout.outbox.effects import TAKINGS, Effect, effect_of
from checkout.payments.reversals_table import MOVED_CENTS
from checkout.payments.table import CREDITED_CENTS, PAID_BY


class ExpectedEntry(NamedTuple):
    """A payment or reversal that must be in the ledger. `at` is in epoch seconds; `was_seen` is true if its
    entry was seen there once."""

    effect_key: str
    user_id: UserId
    amount_cents: int
    currency: str
    payment_intent_id: str | None
    request_id: str
    at: float
    was_seen: bool

    @property
    def effect(self) -> Effect:
        return effect_of(
            self.effect_key,
            (self.user_id, self.amount_cents, self.currency),
            request_id=self.request_id,
            payment_intent_id=self.payment_intent_id,
        )


_LOOKED_FOR = (
    "(credited_at >= to_timestamp(%(seen_since)s)"
    " OR (credited_at IS NULL AND {at} < to_timestamp(%(began)s)))"
)
_PAYMENTS = (
    "FROM checkout_transactions WHERE status = 'payment_succeeded' AND purpose = %(purpose)s"
    f" AND {_LOOKED_FOR.format(at='completed_at')}"
)
_SELECT_PAYMENTS = (
    f"SELECT 'success:' || request_id, user_id, {CREDITED_CENTS}, paid_currency, {PAID_BY},"
    f" request_id, extract(epoch FROM completed_at)::float, credited_at IS NOT NULL {_PAYMENTS}"
)
_REVERSALS = (
    f"FROM reversals r WHERE state = 'emitted' AND {MOVED_CENTS} <> 0"
    f" AND {_LOOKED_FOR.format(at='emitted_at')}"
)


class Scope(NamedTuple):
    """What is compared: movements that were seen in the ledger since then, and those that were never seen and
    are older than `began`. Times are in epoch seconds."""

    purpose: str
    seen_since: int
    began: float
    last_id: int


def clock(tx: Transaction) -> float:
    """The database's, in epoch seconds."""
    return float(_one(tx, "SELECT extract(epoch FROM clock_timestamp())"))


def last_payment_id(tx: Transaction) -> int:
    return int(_one(tx, "SELECT COALESCE(max(id), 0) FROM checkout_transactions"))


def count(tx: Transaction, scope: Scope) -> int:
    """Payments and reversals in the scope."""
    take_time(tx)
    payments = _one(tx, f"SELECT count(*) {_PAYMENTS} AND id <= %(last_id)s", scope._asdict())
    return int(payments) + int(_one(tx, f"SELECT count(*) {_REVERSALS}", scope._asdict()))


def payments(
    tx: Transaction, scope: Scope, *, after_id: int, rows: int
) -> tuple[Sequence[ExpectedEntry], int | None]:
    """The payments in the scope among the next `rows` of the table behind `after_id`, and the id to go on
    behind; None at the end. The statement is short however few of them there are."""
    position = {**scope._asdict(), "after": after_id, "rows": rows}
    until = _one(
        tx,
        "SELECT id FROM checkout_transactions WHERE id > %(after)s AND id <= %(last_id)s"
        " ORDER BY id OFFSET %(rows)s - 1 LIMIT 1",
        position,
    )
    found = tx.tuples(
        f"{_SELECT_PAYMENTS} AND id > %(after)s AND id <= %(until)s ORDER BY id",
        {**position, "until": scope.last_id if until is None else until},
    )
    return [ExpectedEntry(*row) for row in found], until


def unseen_payments(tx: Transaction, scope: Scope, *, above: int, before: float) -> Sequence[ExpectedEntry]:
    """Those in the scope that were never seen in the ledger, of users with a greater number, from before then
    (epoch seconds)."""
    found = tx.tuples(
        f"{_SELECT_PAYMENTS} AND credited_at IS NULL AND user_id > %(above)s AND id <= %(last_id)s"
        " AND completed_at < to_timestamp(%(before)s) ORDER BY id",
        {**scope._asdict(), "above": above, "before": before},
    )
    return [ExpectedEntry(*row) for row in found]


def reversals(
    tx: Transaction, scope: Scope, *, after_key: str, rows: int
) -> tuple[Sequence[ExpectedEntry], str | None]:
    """The same for reversals whose payment is known, in the order of their effect keys."""
    position = {**scope._asdict(), "after": after_key, "rows": rows, "down": list(TAKINGS)}
    until = _one(
        tx,
        "SELECT effect_key FROM reversals WHERE effect_key > %(after)s"
        " ORDER BY effect_key OFFSET %(rows)s - 1 LIMIT 1",
        position,
    )
    found = tx.tuples(
        "SELECT effect_key, t.user_id,"
        "       CASE WHEN kind = ANY(%(down)s) THEN -1 ELSE 1 END * r.moved_cents, r.currency,"
        "       r.payment_intent_id, t.request_id, extract(epoch FROM r.emitted_at)::float, r.was_seen"
        f" FROM (SELECT r.*, {MOVED_CENTS} AS moved_cents, credited_at IS NOT NULL AS was_seen {_REVERSALS}"
        "         AND effect_key > %(after)s"
        "         AND (%(until)s::text IS NULL OR effect_key <= %(until)s)) AS r"
        " JOIN LATERAL (SELECT user_id, request_id FROM checkout_transactions"
        "   WHERE payment_intent_id = r.payment_intent_id ORDER BY id LIMIT 1) AS t ON true"
        " ORDER BY effect_key",
        {**position, "until": until},
    )
    return [ExpectedEntry(*row) for row in found], until


def newest_user_of_sessions(tx: Transaction, before: float) -> int:
    """The greatest id of a user who began a session before then (epoch seconds); 0 if nobody did, or
    if ids are no numbers."""
    newest = _one(
        tx,
        "SELECT user_id FROM checkout_transactions"
        " WHERE stripe_session_id IS NOT NULL AND created_at < to_timestamp(%s)"
        " ORDER BY user_id DESC LIMIT 1",
        (before,),
    )
    return newest if isinstance(newest, int) else 0


def newest_user_of_entries(tx: Transaction, before: float) -> int:
    """The greatest id of a user who has a ledger entry from before then (epoch seconds); 0 if nobody has,
    or if ids are no numbers."""
    newest = _one(
        tx,
        "SELECT user_id FROM ledger_entries WHERE created_at < to_timestamp(%s)"
        " ORDER BY user_id DESC LIMIT 1",
        (before,),
    )
    return newest if isinstance(newest, int) else 0


def _one(tx: Transaction, sql: str, parameters: Any = ()) -> Any:
    rows = tx.tuples(sql, parameters)
    return rows[0][0] if rows else None
