"""Bring both databases to the schema of this release. A table of each has what was applied."""

import re
from collections.abc import Sequence
from pathlib import Path

from checkout.base import telemetry, timing
from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Database, Transaction, limit
from checkout.base.user_ids import BIGINT, UserIds
from checkout.release import application_users, owner, user_id_columns

MIGRATIONS = Path(__file__).with_name("migrations")
LEDGER = MIGRATIONS / "application" / "0001_ledger.sql"
MAKES_BALANCES_NOT_NULL = "application/0006_balance_not_null.sql"
OURS, BESIDE_THEIRS = "schema_migrations", "checkout_schema_migrations"
"""Tables of what was applied. The second one if the application has the first: Rails, Phoenix, dbmate and
golang-migrate make one of that name."""

_MAKES = re.compile(r"^CREATE TABLE (?!IF NOT EXISTS)(\w+)", re.MULTILINE)
_REMEDIES = {
    "checkout": ("CHECKOUT_DATABASE_URL", "give checkout a database of its own"),
    "application": ("DATABASE_URL", "rename yours, since checkout needs this name"),
}


class Migrate:
    def __init__(
        self,
        checkout: Database,
        application: Database,
        app_id: str,
        prices: Sequence[str] = (),
        *,
        currency: str = "eur",
    ) -> None:
        """`app_id` is CHECKOUT_APP_ID, `currency` that of the balances. `prices` are the names of those
        settings that are set with which the release before would credit something else."""
        self._databases = {"checkout": checkout, "application": application}
        self._owner = app_id, currency
        self._prices = prices

    def __call__(self) -> list[str]:
        """Apply what is new, in the order of its numbers, each file in a transaction of its own, under a lock
        that makes parallel runs wait. Returns what was applied now, as `checkout/0001_transactions.sql`.

        Raises ConfigurationError, with nothing applied, if the checkout database is another stack's or
        currency's, prices are set while the release before works, ids of another type are stored, or the
        application's users are not such that their balances can be moved. Also raises it for a migration
        that would make a table whose name is taken; what precedes it stays applied.
        """
        self._require_usable()
        if self._prices:
            self._require_prices_are_known()
        applied = []
        for folder, database in self._databases.items():
            for path in sorted((MIGRATIONS / folder).glob("*.sql")):
                name = f"{folder}/{path.name}"
                with database.transaction() as tx:
                    if not _is_applied(tx, name):
                        sql = path.read_text(encoding="utf-8")
                        _require_free(tx, folder, _MAKES.findall(sql))
                        limit(tx, statement_timeout=timing.MIGRATION)
                        tx.execute(for_ids(tx.user_ids, sql))
                        tx.execute(f"INSERT INTO {_table(tx)} (name) VALUES (%s)", (name,))
                        applied.append(name)
                        telemetry.logger.info("migrated", extra={"migration": name})
        with self._databases["checkout"].transaction() as tx:
            owner.take(tx, *self._owner)
        return applied

    def _require_prices_are_known(self) -> None:
        with self._databases["checkout"].transaction() as tx:
            tx.execute(
                "SELECT EXISTS(SELECT FROM pg_attribute WHERE attname = 'credit_cents'"
                "   AND attrelid = to_regclass('checkout_transactions')) AS are_known,"
                " to_regclass('checkout_transactions') IS NULL AS is_new"
            )
            row = tx.row()
            if row["are_known"] or row["is_new"]:
                return
            tx.execute("SELECT FROM checkout_transactions LIMIT 1")
            if tx.fetchone() is not None:
                raise ConfigurationError(
                    f"{', '.join(self._prices)} can be set with the next deployment: until this one is"
                    " complete, the release before would credit what is paid."
                )

    def _require_usable(self) -> None:
        with self._databases["checkout"].transaction() as tx:
            before = owner.require_own(tx, *self._owner)
        for folder, database in self._databases.items():
            with database.transaction() as tx:
                if folder == "application":
                    if not _is_applied(tx, f"application/{LEDGER.name}"):
                        _require_free(tx, folder, _MAKES.findall(LEDGER.read_text(encoding="utf-8")))
                    owner.require_no_entries(tx, before, self._owner[1])
                user_id_columns.require_same(tx, user_id_columns.TABLES[folder])
                if folder == "application" and application_users.require_usable(
                    tx, balance_is_made_not_null=not _is_applied(tx, MAKES_BALANCES_NOT_NULL)
                ):
                    telemetry.logger.warning(
                        "users is a view, so entries cannot refer to its rows: whoever has entries must not"
                        " be deleted"
                    )


def for_ids(user_ids: UserIds, sql: str) -> str:
    """The migration for ids of this type."""
    check = "CHECK (user_id > 0)" if user_ids is BIGINT else ""
    for name, text in (
        ("USER_ID_COLUMN", user_ids.sql_type),
        ("USER_ID_PARAMETER", user_ids.name),
        (" USER_ID_COLLATION", user_ids.collate),
        (" USER_ID_CHECK", f" {check}".rstrip()),
    ):
        sql = sql.replace(name, text)
    return sql


def _is_applied(tx: Transaction, name: str) -> bool:
    """Waits for a parallel run."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout migrations', 0))")
    if _table(tx) is None:
        tx.execute("SELECT WHERE to_regclass(%s) IS NULL", (OURS,))
        new = BESIDE_THEIRS if tx.fetchone() is None else OURS
        tx.execute(
            f"CREATE TABLE {new} (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
        )
    tx.execute(f"SELECT FROM {_table(tx)} WHERE name = %s", (name,))
    return tx.fetchone() is not None


def _table(tx: Transaction) -> str | None:
    """The name of our table of what was applied; None if there is none yet. It is looked for in every schema
    of the search path, since the application may have one of that name in an earlier schema. If ours were not
    found, everything would be made once more, and the new ledger would know of no credit."""
    tx.execute(
        "SELECT pg_class.oid::regclass::text AS ours"
        " FROM unnest(current_schemas(false)) WITH ORDINALITY AS path (schema, place)"
        " JOIN pg_namespace ON nspname = schema"
        " JOIN pg_class ON relnamespace = pg_namespace.oid AND relkind = 'r' AND relname = ANY(%s)"
        " JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'name' AND NOT attisdropped"
        " ORDER BY place, relname LIMIT 1",
        ([OURS, BESIDE_THEIRS],),
    )
    found = tx.fetchone()
    return None if found is None else str(found["ours"])


def _require_free(tx: Transaction, folder: str, tables: list[str]) -> None:
    if not tables:
        return
    tx.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE relname = ANY(%s) AND nspname = current_schema() ORDER BY relname",
        (tables,),
    )
    if taken := ", ".join(row["relname"] for row in tx.fetchall()):
        database, remedy = _REMEDIES[folder]
        raise ConfigurationError(f"{database} has {taken} already, not made by checkout: {remedy}.")
