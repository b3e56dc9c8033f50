"""SQL of schema_migrations: which numbered files a database has seen."""

from checkout.base.postgres import Cursor


def begin(cursor: Cursor, name: str) -> bool:
    """Waits for a parallel run. True where the migration is still to be applied, in this transaction."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout migrations', 0))")
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    cursor.execute("SELECT 1 FROM schema_migrations WHERE name = %s", (name,))
    return cursor.fetchone() is None


def apply(cursor: Cursor, name: str, sql: str) -> None:
    cursor.execute(sql)
    cursor.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
