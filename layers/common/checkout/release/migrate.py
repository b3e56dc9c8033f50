"""Bring both databases to the schema of this release. The table schema_migrations has what was applied."""

from pathlib import Path

from checkout.base import telemetry
from checkout.base.postgres import Database, Transaction

MIGRATIONS = Path(__file__).with_name("migrations")


class Migrate:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._databases = {"checkout": checkout, "application": application}

    def __call__(self) -> list[str]:
        """Apply what is new, in the order of its numbers, each file in a transaction of its own, under a lock
        that makes parallel runs wait. Returns what was applied now, as `checkout/0001_transactions.sql`."""
        applied = []
        for folder, database in self._databases.items():
            for path in sorted((MIGRATIONS / folder).glob("*.sql")):
                name = f"{folder}/{path.name}"
                with database.transaction() as tx:
                    if not _is_applied(tx, name):
                        tx.execute(path.read_text(encoding="utf-8"))
                        tx.execute("INSERT INTO schema_migrations (name) VALUES (%s)", (name,))
                        applied.append(name)
                        telemetry.logger.info("migrated", extra={"migration": name})
        return applied


def _is_applied(tx: Transaction, name: str) -> bool:
    """Waits for a parallel run."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout migrations', 0))")
    tx.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    tx.execute("SELECT 1 FROM schema_migrations WHERE name = %s", (name,))
    return tx.fetchone() is not None
