"""Bring both databases to the schema of this release."""

from pathlib import Path

from checkout.base import telemetry
from checkout.base.postgres import Database
from checkout.release import schema

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
                    if schema.begin(tx, name):
                        schema.apply(tx, name, path.read_text(encoding="utf-8"))
                        applied.append(name)
                        telemetry.logger.info("migrated", extra={"migration": name})
        return applied
