"""Which stack owns the checkout database, and in which currency its balances are.

Each reconciler emits whatever is uncredited in its database. So two stacks on one database would credit each
other's payments: test payments of staging could become real balances. And in another currency every balance
would be worth something else.
"""

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Transaction


def require_own(tx: Transaction, app_id: str, currency: str) -> str | None:
    """Returns the currency of the balances until now; None of a new database, which has no owner. Raises
    ConfigurationError if another CHECKOUT_APP_ID owns the database, or something was paid or is being paid
    with another BALANCE_CURRENCY."""
    tx.execute("SELECT WHERE to_regclass('checkout_owner') IS NOT NULL")
    if tx.fetchone() is None:
        return None
    tx.execute(
        "SELECT app_id, currency,"
        " EXISTS(SELECT FROM checkout_transactions WHERE status = 'payment_succeeded'"
        "   AND paid_currency = checkout_owner.currency) AS has_payments,"
        " EXISTS(SELECT FROM checkout_transactions"
        "   WHERE status IN ('session_pending', 'session_created', 'payment_processing')"
        "   AND currency = checkout_owner.currency) AS is_paid"
        " FROM checkout_owner"
    )
    row = tx.fetchone()
    if row is None:
        return None
    if row["app_id"] != app_id:
        raise _owned(row["app_id"], app_id)
    before = str(row["currency"])
    if before != currency and row["has_payments"]:
        raise _in_another_currency(before, currency)
    if before != currency and row["is_paid"]:
        raise ConfigurationError(
            f"BALANCE_CURRENCY is {currency}, but somebody may be paying in {before}, which could not be"
            f" credited then: wait until these sessions are over, or set it to {before}."
        )
    return before


def require_no_entries(tx: Transaction, before: str | None, currency: str) -> None:
    """Raises ConfigurationError if the currency of the balances changes although the ledger has entries
    (opening balances, or an application's own). If the checkout database names no currency (`before` is
    None), the entries decide which it was. The transaction is the application database's."""
    tx.execute("SELECT WHERE to_regclass('ledger_entries') IS NOT NULL")
    if before == currency or tx.fetchone() is None:
        return
    tx.execute("SELECT currency FROM ledger_entries LIMIT 1")
    if (entry := tx.fetchone()) is None:
        return
    tx.execute("SELECT FROM ledger_entries WHERE currency = %s LIMIT 1", (currency,))
    if before is not None or tx.fetchone() is None:
        raise _in_another_currency(before or entry["currency"], currency)


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


def _in_another_currency(before: str, currency: str) -> ConfigurationError:
    return ConfigurationError(
        f"BALANCE_CURRENCY is {currency}, but the balances that there are have been credited in"
        f" {before}, and would be worth something else: set it to {before}."
    )


def _owned(owner: str, app_id: str) -> ConfigurationError:
    return ConfigurationError(
        f"CHECKOUT_APP_ID is {app_id}, but {owner} owns the checkout database. Two stacks on one database"
        " would credit each other's payments: give this stack a database of its own, or set CHECKOUT_APP_ID"
        f" to {owner} if it takes that stack's place."
    )
