"""Which stack owns the checkout database, and in which currency its balances are.

Each reconciler emits whatever is uncredited in its database. So two stacks on one database would credit each
other's payments: test payments of staging could become real balances. And in another currency every balance
would be worth something else.
"""

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Transaction


def require_own(tx: Transaction, app_id: str, currency: str) -> None:
    """Raises ConfigurationError if another CHECKOUT_APP_ID owns the database, or something was paid with
    another BALANCE_CURRENCY. A new one has no owner."""
    tx.execute("SELECT WHERE to_regclass('checkout_owner') IS NOT NULL")
    if tx.fetchone() is None:
        return
    tx.execute(
        "SELECT app_id, currency,"
        " EXISTS(SELECT FROM checkout_transactions WHERE status = 'payment_succeeded'"
        "   AND paid_currency = checkout_owner.currency) AS has_payments"
        " FROM checkout_owner"
    )
    row = tx.fetchone()
    if row is None:
        return
    if row["app_id"] != app_id:
        raise _owned(row["app_id"], app_id)
    if row["has_payments"] and row["currency"] != currency:
        raise ConfigurationError(
            f"BALANCE_CURRENCY is {currency}, but the balances that there are have been credited in"
            f" {row['currency']}, and would be worth something else: set it to {row['currency']}."
        )


def take(tx: Transaction, app_id: str, currency: str) -> None:
    """Raises ConfigurationError if another stack was first."""
    tx.execute(
        "INSERT INTO checkout_owner (app_id, currency) VALUES (%s, %s) ON CONFLICT (only_one) DO UPDATE"
        " SET currency = EXCLUDED.currency WHERE checkout_owner.app_id = EXCLUDED.app_id",
        (app_id, currency),
    )
    tx.execute("SELECT app_id FROM checkout_owner WHERE app_id <> %s", (app_id,))
    if (row := tx.fetchone()) is not None:
        raise _owned(row["app_id"], app_id)


def _owned(owner: str, app_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"CHECKOUT_APP_ID is {app_id}, but {owner} owns the checkout database. Two stacks on one database"
        " would credit each other's payments: give this stack a database of its own, or set CHECKOUT_APP_ID"
        f" to {owner} if it takes that stack's place."
    )
