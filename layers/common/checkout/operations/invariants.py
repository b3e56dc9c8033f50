"""SQL of the checks that need no ranges: few rows, found by an index, however long the tables are. It changes
nothing."""

from typing import Any

from checkout.base.postgres import Transaction
from checkout.operations import thresholds
from checkout.outbox.effects import DIRECTIONS

Row = dict[str, Any]


def _sampled(
    tx: Transaction, query: str, parameters: tuple[object, ...], limit: int
) -> tuple[int, list[Row]]:
    """Return how many rows the query has, and the first of them."""
    tx.execute(
        f"WITH wrong AS ({query}) SELECT count(*) OVER () AS in_all, wrong.* FROM wrong LIMIT %s",
        (*parameters, limit),
    )
    rows = tx.fetchall()
    total = rows[0]["in_all"] if rows else 0
    return total, [{name: value for name, value in row.items() if name != "in_all"} for row in rows]


def repeated_effects(tx: Transaction, limit: int) -> tuple[int, list[Row]]:
    """Of what an application entered. Reads the whole ledger only if the constraint is gone: they are
    impossible with it. Those of payments are found when they are compared, whatever the index says."""
    tx.execute(
        "SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]"
        " WHERE i.indrelid = 'ledger_entries'::regclass AND a.attname = 'effect_key' AND i.indnkeyatts = 1"
        "   AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
    )
    if tx.rowcount:
        return 0, []
    return _sampled(
        tx,
        "SELECT effect_key, count(*) AS entries FROM ledger_entries WHERE kind <> ALL(%s)"
        " GROUP BY effect_key HAVING count(*) > 1",
        (list(DIRECTIONS),),
        limit,
    )


def open_parked(tx: Transaction, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        tx,
        "SELECT id, effect_key, reason, created_at FROM parked_events WHERE resolution IS NULL ORDER BY id",
        (),
        limit,
    )


def stuck_messages(tx: Transaction, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        tx,
        "SELECT effect_key, topic, created_at FROM outbox"
        " WHERE created_at < now() - make_interval(secs => %s) ORDER BY id",
        (thresholds.OUTBOX_STUCK,),
        limit,
    )


def unsettled_events(tx: Transaction, outcome: str, limit: int) -> tuple[int, list[Row]]:
    return _sampled(
        tx,
        "SELECT event_id, type, reason, received_at FROM stripe_events WHERE outcome = %s"
        " ORDER BY received_at",
        (outcome,),
        limit,
    )


def stuck_events(tx: Transaction, limit: int) -> tuple[int, list[Row]]:
    """Events that have waited for too long, the oldest first; also for the console, each second. Those of a
    bank debit that has not settled are left out: that takes days."""
    return _sampled(
        tx,
        "SELECT event_id, type, reason, received_at FROM stripe_events e WHERE outcome = 'waiting'"
        "   AND received_at < now() - make_interval(secs => %s)"
        "   AND NOT EXISTS (SELECT FROM checkout_transactions t"
        "     WHERE t.payment_intent_id = e.payment_intent_id AND t.status = 'payment_processing')"
        " ORDER BY received_at",
        (thresholds.EVENTS_STUCK,),
        limit,
    )
