"""USER_ID_TYPE against the tables that are there: it is chosen once."""

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Transaction

TABLES = {"checkout": "checkout_transactions", "application": "ledger_entries"}
"""A table of each database whose `user_id` was made with the setting."""


def require_same(tx: Transaction, table: str) -> bool:
    """Return False if there is no such table. Raises ConfigurationError if it has ids of another type."""
    tx.execute(
        "SELECT format_type(atttypid, NULL) AS type FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attname = 'user_id' AND NOT attisdropped",
        (table,),
    )
    row = tx.fetchone()
    if row is not None and row["type"] != tx.user_ids.name:
        raise ConfigurationError(
            f"USER_ID_TYPE is {tx.user_ids.name}, and {table}.user_id is {row['type']}: it is chosen once,"
            " before there is any payment."
        )
    return row is not None
