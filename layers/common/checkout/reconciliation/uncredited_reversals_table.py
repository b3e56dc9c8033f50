"""SQL of uncredited reversals: they were emitted, and nobody has seen their ledger entry."""

from collections.abc import Sequence
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
