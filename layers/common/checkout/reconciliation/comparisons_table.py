"""SQL of when payments and reversals are compared with the ledger: credited_at, recheck_at and rechecks."""

from collections.abc import Collection
from dataclasses import dataclass

from checkout.base.backoff import backoff
from checkout.base.postgres import Transaction

LONGEST_WAIT_SECONDS = 24 * 3600

DUE_AT_ONCE = "credited_at = NULL, recheck_at = NULL, rechecks = 0"
"""The next run compares such a row, seen in the ledger or not."""


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Of the rows of a table, which are named by the values of its column `key`."""

    table: str
    key: str

    def mark_credited(self, tx: Transaction, names: Collection[str]) -> None:
        """Their ledger entries were seen: they are not compared any more. A row that somebody holds is left
        out. By the clock, since an entry can be younger than this transaction."""
        tx.execute(
            f"UPDATE {self.table} SET credited_at = clock_timestamp() WHERE {self._not_held}", (list(names),)
        )

    def retry_later(self, tx: Transaction, names: Collection[str], *, after_seconds: int) -> None:
        """The wait until the next comparison doubles."""
        tx.execute(
            f"UPDATE {self.table} SET rechecks = rechecks + 1,"
            f" recheck_at = {backoff('%s', 'rechecks + 1', '%s')}"
            f" WHERE {self.key} = ANY(%s)",
            (after_seconds, LONGEST_WAIT_SECONDS, list(names)),
        )

    def retry_at_once(self, tx: Transaction, names: Collection[str]) -> int:
        """The next run compares them, seen in the ledger or not. Returns how many; a row that somebody holds
        stays as it is."""
        tx.execute(f"UPDATE {self.table} SET {DUE_AT_ONCE} WHERE {self._not_held}", (list(names),))
        return tx.rowcount

    def count_delayed(self, tx: Transaction, names: Collection[str]) -> int:
        """How many of them are not due yet."""
        tx.execute(
            f"SELECT count(*) AS n FROM {self.table} WHERE {self.key} = ANY(%s) AND recheck_at > now()",
            (list(names),),
        )
        return int(tx.row()["n"])

    @property
    def _not_held(self) -> str:
        named = f"SELECT {self.key} FROM {self.table} WHERE {self.key} = ANY(%s) FOR UPDATE SKIP LOCKED"
        return f"{self.key} IN ({named})"


PAYMENTS = Comparisons("checkout_transactions", "request_id")
REVERSALS = Comparisons("reversals", "effect_key")
