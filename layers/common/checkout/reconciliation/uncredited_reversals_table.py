"""SQL of uncredited reversals: they were emitted, and nobody has seen their ledger entry."""

from collections.abc import Collection, Sequence
from datetime import datetime

from checkout.base.postgres import Transaction
from checkout.payments.reversals_table import COLUMNS, StoredReversal, stored_reversals


def due(tx: Transaction, *, after_seconds: int, limit: int) -> Sequence[StoredReversal]:
    """Those whose next comparison with the ledger is due, the longest due first.

    Locked; those that another run holds, or that are still in the outbox, are left out.
    """
    tx.execute(
        f"SELECT {COLUMNS} FROM reversals r WHERE state = 'emitted' AND credited_at IS NULL"
        "   AND COALESCE(recheck_at, emitted_at + make_interval(secs => %s)) <= now()"
        "   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = r.effect_key)"
        " ORDER BY COALESCE(recheck_at, emitted_at) LIMIT %s FOR UPDATE SKIP LOCKED",
        (after_seconds, limit),
    )
    return stored_reversals(tx)


def page(
    tx: Transaction, *, before: datetime, behind: StoredReversal | None, limit: int
) -> Sequence[StoredReversal]:
    """Those that were emitted before then, by effect key, from `behind` on."""
    tx.execute(
        f"SELECT {COLUMNS} FROM reversals WHERE state = 'emitted' AND credited_at IS NULL"
        "   AND emitted_at < %s AND effect_key > %s ORDER BY effect_key LIMIT %s",
        (before, behind.reversal.effect_key if behind else "", limit),
    )
    return stored_reversals(tx)


def mark_credited(tx: Transaction, effect_keys: Collection[str]) -> None:
    """Their ledger entries were seen: they are not compared any more. A row that somebody holds is left
    out."""
    tx.execute(
        "UPDATE reversals SET credited_at = clock_timestamp() WHERE effect_key IN"
        " (SELECT effect_key FROM reversals WHERE effect_key = ANY(%s) FOR UPDATE SKIP LOCKED)",
        (list(effect_keys),),
    )


def retry_later(
    tx: Transaction, effect_keys: Collection[str], *, after_seconds: int, at_most_seconds: int
) -> None:
    """The wait until the next comparison doubles."""
    tx.execute(
        "UPDATE reversals SET rechecks = rechecks + 1,"
        " recheck_at = now() + make_interval(secs => least(%s * 2.0 ^ least(rechecks + 1, 30), %s))"
        " WHERE effect_key = ANY(%s)",
        (after_seconds, at_most_seconds, list(effect_keys)),
    )


def retry_at_once(tx: Transaction, effect_keys: Collection[str]) -> int:
    """The next run compares them, seen in the ledger or not. Returns how many; a row that somebody holds
    stays as it is."""
    tx.execute(
        "UPDATE reversals SET credited_at = NULL, recheck_at = NULL, rechecks = 0 WHERE effect_key IN"
        " (SELECT effect_key FROM reversals WHERE effect_key = ANY(%s) FOR UPDATE SKIP LOCKED)",
        (list(effect_keys),),
    )
    return tx.rowcount


def count_delayed(tx: Transaction, effect_keys: Collection[str]) -> int:
    """How many of them are not due yet."""
    tx.execute(
        "SELECT count(*) AS n FROM reversals WHERE effect_key = ANY(%s) AND recheck_at > now()",
        (list(effect_keys),),
    )
    return int(tx.row()["n"])
