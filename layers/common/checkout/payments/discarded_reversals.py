"""SQL of discarded_reversals: refunds and disputes of which an operator has decided that nothing acts any
more."""

from collections.abc import Collection

from checkout.base.postgres import Transaction


def keep(
    tx: Transaction, object_id: str, *, payment_intent_id: str | None, event_id: str, reason: str
) -> None:
    """The first decision about it stays."""
    tx.execute(
        "INSERT INTO discarded_reversals (object_id, payment_intent_id, event_id, reason)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (object_id) DO NOTHING",
        (object_id, payment_intent_id, event_id, reason),
    )


def take_back(tx: Transaction, object_ids: Collection[str]) -> None:
    tx.queue("DELETE FROM discarded_reversals WHERE object_id = ANY(%s)", (list(object_ids),))
