"""SQL of what the reconciler looks at again: payments without a ledger entry, sessions without an end."""

from collections.abc import Sequence
from datetime import datetime

from checkout.base.postgres import Transaction
from checkout.payments.payment import Payment
from checkout.payments.table import COLUMNS, fetched, payment
from checkout.reconciliation.evidence_table import PROVEN


def due_for_check(tx: Transaction, *, purpose: str, after_seconds: int, limit: int) -> Sequence[Payment]:
    """Succeeded payments whose ledger entry nobody has seen and whose time to look has come, longest due.

    Those without evidence are left out: see services.evidence. Locked; those that another run holds, or that
    are still in the outbox, are left out.
    """
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions t"
        " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s"
        "   AND COALESCE(recheck_at, completed_at + make_interval(secs => %s)) <= now()"
        f"   AND {PROVEN}"
        "   AND NOT EXISTS (SELECT FROM outbox o WHERE o.effect_key = 'success:' || t.request_id)"
        " ORDER BY COALESCE(recheck_at, completed_at) LIMIT %s FOR UPDATE SKIP LOCKED",
        (purpose, after_seconds, limit),
    )
    return fetched(tx)


def uncredited(
    tx: Transaction, *, purpose: str, before: datetime, behind: Payment | None, limit: int
) -> Sequence[Payment]:
    """Succeeded payments from before then whose ledger entry nobody has seen, oldest first, from `behind`
    on."""
    tx.execute(
        f"SELECT {COLUMNS} FROM checkout_transactions"
        " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = %s AND completed_at < %s"
        "   AND (completed_at, id) > (COALESCE(%s, '-infinity'::timestamptz), %s)"
        " ORDER BY completed_at, id LIMIT %s",
        (purpose, before, behind and behind.completed_at, behind.id if behind else 0, limit),
    )
    return fetched(tx)


def claim_unfinished(
    tx: Transaction,
    *,
    expired_for_seconds: int,
    pending_for_seconds: int,
    processing_for_seconds: int,
    claim_seconds: int,
    at_most_seconds: int,
    limit: int,
) -> list[tuple[Payment, int]]:
    """Sessions past their expiry, payments that process and rows that are pending for so long, the longest
    due first; and how often each was claimed, this time included.

    Nobody else gets them for `claim_seconds`, twice as long after each claim, `at_most_seconds` at most.
    """
    tx.execute(
        "UPDATE checkout_transactions SET rereads = rereads + 1, reread_at = now()"
        " + make_interval(secs => least(%(claim)s * 2.0 ^ least(rereads, 30), %(at_most)s)) WHERE id IN ("
        " SELECT id FROM checkout_transactions"
        " WHERE status IN ('session_pending', 'session_created', 'payment_processing')"
        "   AND COALESCE(reread_at, now()) <= now()"
        "   AND CASE status"
        "     WHEN 'session_created' THEN"
        "       COALESCE(expires_at, created_at + interval '1 day') + make_interval(secs => %(expired)s)"
        "     WHEN 'session_pending' THEN updated_at + make_interval(secs => %(pending)s)"
        "     ELSE updated_at + make_interval(secs => %(processing)s)"
        "   END <= now()"
        " ORDER BY COALESCE(reread_at, updated_at) LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
        f" RETURNING {COLUMNS}, rereads",
        {
            "claim": claim_seconds,
            "at_most": at_most_seconds,
            "expired": expired_for_seconds,
            "pending": pending_for_seconds,
            "processing": processing_for_seconds,
            "limit": limit,
        },
    )
    rows = tx.fetchall()
    claims = [row.pop("rereads") for row in rows]
    return list(zip(map(payment, rows), claims, strict=True))


def leave_unfinished(tx: Transaction, request_id: str, seconds: int) -> None:
    """It is not claimed again for so long, unless somebody holds the row."""
    tx.execute(
        "UPDATE checkout_transactions SET reread_at = now() + make_interval(secs => %s) WHERE id IN"
        " (SELECT id FROM checkout_transactions WHERE request_id = %s FOR UPDATE SKIP LOCKED)",
        (seconds, request_id),
    )


def credited(tx: Transaction, request_ids: Sequence[str]) -> None:
    """Their ledger entries were seen; they are looked for no more. A row that somebody holds is left out.

    By the clock, since an entry can be younger than this transaction.
    """
    tx.execute(
        "UPDATE checkout_transactions SET credited_at = clock_timestamp() WHERE id IN"
        " (SELECT id FROM checkout_transactions WHERE request_id = ANY(%s) FOR UPDATE SKIP LOCKED)",
        (list(request_ids),),
    )


def check_again(
    tx: Transaction, request_ids: Sequence[str], *, after_seconds: int, at_most_seconds: int
) -> None:
    """Looked for in vain: the wait until the next look doubles."""
    tx.execute(
        "UPDATE checkout_transactions SET rechecks = rechecks + 1,"
        " recheck_at = now() + make_interval(secs => least(%s * 2.0 ^ least(rechecks + 1, 30), %s))"
        " WHERE request_id = ANY(%s)",
        (after_seconds, at_most_seconds, list(request_ids)),
    )


def look_at_once(tx: Transaction, request_ids: Sequence[str]) -> int:
    """They are looked for by the next run, seen in the ledger or not. Returns how many; a row that somebody
    holds stays as it is."""
    tx.execute(
        "UPDATE checkout_transactions SET credited_at = NULL, recheck_at = NULL, rechecks = 0 WHERE id IN"
        " (SELECT id FROM checkout_transactions WHERE request_id = ANY(%s) FOR UPDATE SKIP LOCKED)",
        (list(request_ids),),
    )
    return tx.rowcount


def looked_for_later(tx: Transaction, request_ids: Sequence[str]) -> int:
    """How many of them are not looked for before a later time."""
    tx.execute(
        "SELECT count(*) AS n FROM checkout_transactions WHERE request_id = ANY(%s) AND recheck_at > now()",
        (list(request_ids),),
    )
    return int(tx.row()["n"])


def look_again(tx: Transaction, request_id: str) -> bool:
    """For its reversals, too. False where there is no such succeeded payment."""
    tx.execute(
        "UPDATE checkout_transactions SET credited_at = NULL, recheck_at = NULL, rechecks = 0"
        " WHERE request_id = %s AND status = 'payment_succeeded'",
        (request_id,),
    )
    found = tx.rowcount == 1
    tx.execute(
        "UPDATE reversals SET credited_at = NULL, recheck_at = NULL, rechecks = 0 WHERE payment_intent_id ="
        " (SELECT payment_intent_id FROM checkout_transactions WHERE request_id = %s)",
        (request_id,),
    )
    return found
