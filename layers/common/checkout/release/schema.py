"""SQL of schema_migrations: which numbered files a database has seen."""

from checkout.base.postgres import Transaction


def begin(tx: Transaction, name: str) -> bool:
    """Waits for a parallel run. True where the migration is still to be applied, in this transaction."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout migrations', 0))")
    tx.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    tx.execute("SELECT 1 FROM schema_migrations WHERE name = %s", (name,))
    return tx.fetchone() is None


def apply(tx: Transaction, name: str, sql: str) -> None:
    tx.execute(sql)
    tx.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
