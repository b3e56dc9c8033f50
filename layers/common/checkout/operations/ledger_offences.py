"""SQL of what a range of users has that is wrong, row by row: `ledger_ranges` counts it first. It changes
nothing."""

from collections.abc import Collection
from typing import Any

from checkout.base.postgres import Transaction
from checkout.operations.ledger_ranges import (
    IN_RANGE,
    PAYMENTS,
    SHARES,
    UNEQUAL,
    WITHOUT_INTENT,
    Users,
    parameters,
    users_of,
)

Row = dict[str, Any]


def wrong_balances(tx: Transaction, users: Users) -> list[Row]:
    tx.execute(
        "SELECT COALESCE(u.id, e.user_id) AS user_id, u.balance AS balance_cents,"
        "       COALESCE(e.total, 0)::text AS ledger_cents"
        f" FROM {users_of(tx)} AS u FULL JOIN"
        "   (SELECT user_id, sum(amount_cents) AS total FROM ledger_entries"
        f"   WHERE {IN_RANGE} GROUP BY user_id) AS e ON e.user_id = u.id"
        " WHERE COALESCE(u.balance, 0) <> COALESCE(e.total, 0) ORDER BY 1",
        parameters(users),
    )
    return tx.fetchall()


def foreign_currencies(tx: Transaction, users: Users, currency: str) -> list[Row]:
    tx.execute(
        "SELECT effect_key, user_id, amount_cents, currency FROM ledger_entries"
        f" WHERE {IN_RANGE} AND currency <> %(currency)s ORDER BY user_id, id",
        parameters(users, currency=currency),
    )
    return tx.fetchall()


def reversed_beyond_paid(tx: Transaction, users: Users, judged: Collection[str]) -> list[Row]:
    """And the payments with the `judged` request_ids, as they are now."""
    tx.execute(
        "SELECT request_id, user_id, paid_cents, refunded_cents, disputed_cents FROM checkout_transactions"
        f" WHERE {IN_RANGE} AND (refunded_cents + disputed_cents > paid_cents"
        "   OR request_id = ANY(%(judged)s)) ORDER BY user_id, id",
        parameters(users, judged=list(judged)),
    )
    return tx.fetchall()


def unequal_shares(tx: Transaction, users: Users) -> list[Row]:
    """Payments whose reversals did not take exactly the proportional share of the credit."""
    tx.execute(
        f"{PAYMENTS}, {SHARES}"
        " SELECT request_id, user_id, credited_cents AS credit_cents, paid_cents,"
        "        reversed_cents::text, taken_cents::text, share_cents::text AS expected_cents"
        f" FROM shares WHERE {UNEQUAL} ORDER BY user_id, request_id",
        parameters(users),
    )
    return tx.fetchall()


def without_payment_intent(tx: Transaction, users: Users) -> list[Row]:
    """Succeeded payments without the payment intent by which Stripe's books name what was paid."""
    tx.execute(
        f"{PAYMENTS}"
        " SELECT request_id, 0 AS stripe_cents, paid_cents AS our_cents, paid_currency AS currency"
        f" FROM payments WHERE {WITHOUT_INTENT} ORDER BY user_id, request_id",
        parameters(users),
    )
    return tx.fetchall()
