"""SQL of reconciler_state: small notes from one run to the next."""

from typing import Any

from psycopg2.extras import Json

from checkout.base.postgres import Transaction


def load(tx: Transaction, name: str, *, lock: bool = False) -> dict[str, Any] | None:
    """With `lock` the row is locked until the transaction ends."""
    tx.execute(
        "SELECT value FROM reconciler_state WHERE name = %s" + (" FOR UPDATE" if lock else ""), (name,)
    )
    row = tx.fetchone()
    return None if row is None else row["value"]


def save(tx: Transaction, name: str, value: dict[str, Any]) -> None:
    tx.execute(
        "INSERT INTO reconciler_state (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, updated_at = now()",
        (name, Json(value)),
    )


def forget(tx: Transaction, prefix: str) -> None:
    """All notes whose names begin so."""
    tx.execute("DELETE FROM reconciler_state WHERE starts_with(name, %s)", (prefix,))
