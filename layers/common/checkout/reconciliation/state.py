"""SQL of reconciler_state: small notes from one run to the next."""

from typing import Any, cast

from psycopg2.extras import Json

from checkout.base.postgres import Cursor


def load(cursor: Cursor, name: str, *, lock: bool = False) -> dict[str, Any] | None:
    """With `lock` it is ours until the transaction ends."""
    cursor.execute(
        "SELECT value FROM reconciler_state WHERE name = %s" + (" FOR UPDATE" if lock else ""), (name,)
    )
    row = cast(dict[str, Any] | None, cursor.fetchone())
    return None if row is None else row["value"]


def save(cursor: Cursor, name: str, value: dict[str, Any]) -> None:
    cursor.execute(
        "INSERT INTO reconciler_state (name, value) VALUES (%s, %s)"
        " ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, updated_at = now()",
        (name, Json(value)),
    )
