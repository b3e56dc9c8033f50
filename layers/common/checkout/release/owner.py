"""Which stack owns the checkout database.

Each reconciler emits whatever is uncredited in its database. So two stacks on one database would credit each
other's payments: test payments of staging could become real balances.
"""

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Transaction


def require_own(tx: Transaction, app_id: str) -> None:
    """Raises ConfigurationError if another CHECKOUT_APP_ID owns the database. A new one has no owner."""
    tx.execute("SELECT to_regclass('checkout_owner') IS NOT NULL AS has_owner")
    if tx.row()["has_owner"]:
        tx.execute("SELECT app_id FROM checkout_owner")
        _require_same(tx, app_id)


def take(tx: Transaction, app_id: str) -> None:
    """Raises ConfigurationError if another stack was first."""
    tx.execute("INSERT INTO checkout_owner (app_id) VALUES (%s) ON CONFLICT DO NOTHING", (app_id,))
    tx.execute("SELECT app_id FROM checkout_owner")
    _require_same(tx, app_id)


def _require_same(tx: Transaction, app_id: str) -> None:
    row = tx.fetchone()
    if row is not None and row["app_id"] != app_id:
        raise ConfigurationError(
            f"CHECKOUT_APP_ID is {app_id}, but {row['app_id']} owns the checkout database. Two stacks on one"
            " database would credit each other's payments: give this stack a database of its own, or set"
            f" CHECKOUT_APP_ID to {row['app_id']} if it takes that stack's place."
        )
