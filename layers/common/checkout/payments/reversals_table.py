"""SQL of reversals: what Stripe took back or returned, and whether it was emitted; and of
discarded_reversals: the refunds and disputes of which an operator has decided that nothing acts any more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checkout.base.postgres import Transaction
from checkout.payments.reversal_event import Reversal


@dataclass(frozen=True, slots=True)
class StoredReversal:
    """A row, with what its event on Kafka needs. `state` is waiting, emitted or held. `credit_cents` is what
    it moves of the balance, decided when it was first emitted; None in rows of the release before, which
    moved the money itself."""

    reversal: Reversal
    payment_intent_id: str
    event_id: str | None
    state: str
    credit_cents: int | None = None

    @property
    def moved_cents(self) -> int:
        """What it moves of the balance; 0 emits nothing."""
        return self.reversal.amount_cents if self.credit_cents is None else self.credit_cents


def stored_reversal(row: Mapping[str, Any]) -> StoredReversal:
    return StoredReversal(
        Reversal(row["kind"], row["source_id"], row["amount_cents"], row["currency"], row["dispute_id"]),
        row["payment_intent_id"],
        row["event_id"],
        row["state"],
        row["credit_cents"],
    )


def stored_reversals(tx: Transaction) -> list[StoredReversal]:
    return [stored_reversal(row) for row in tx.fetchall()]


COLUMNS = (
    "kind, source_id, amount_cents, currency, dispute_id, payment_intent_id, event_id, state, credit_cents"
)

MOVED_CENTS = "COALESCE(credit_cents, amount_cents)"
"""`StoredReversal.moved_cents` of an emitted row."""

IN_ORDER = "created_at, kind IN ('refund_failed', 'dispute_won'), effect_key"
"""In which they are emitted: what was stored at once takes before it gives back."""

_OBJECT = "COALESCE(dispute_id, source_id)"
"""The refund or dispute that a row belongs to. An earlier release did not store the dispute."""


def insert(tx: Transaction, stored: StoredReversal) -> None:
    """A row that is there stays as it is, except that it gets its dispute, and, unless it was emitted, the
    amount that is reported."""
    reversal = stored.reversal
    tx.queue(
        "INSERT INTO reversals (effect_key, kind, source_id, amount_cents, currency, dispute_id,"
        "   payment_intent_id, event_id, state)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (effect_key) DO UPDATE"
        " SET dispute_id = COALESCE(reversals.dispute_id, EXCLUDED.dispute_id),"
        "   amount_cents = CASE WHEN reversals.state = 'emitted' THEN reversals.amount_cents"
        "     ELSE EXCLUDED.amount_cents END,"
        "   currency = CASE WHEN reversals.state = 'emitted' THEN reversals.currency"
        "     ELSE EXCLUDED.currency END"
        " WHERE (reversals.dispute_id IS NULL AND EXCLUDED.dispute_id IS NOT NULL)"
        "   OR (reversals.state <> 'emitted' AND (reversals.amount_cents, reversals.currency)"
        "     <> (EXCLUDED.amount_cents, EXCLUDED.currency))",
        (
            *(reversal.effect_key, reversal.kind, reversal.source_id, reversal.amount_cents),
            *(reversal.currency, reversal.dispute_id),
            *(stored.payment_intent_id, stored.event_id, stored.state),
        ),
    )


def of_payment_intent(tx: Transaction, payment_intent_id: str) -> Sequence[StoredReversal]:
    """In the order in which they are emitted."""
    tx.execute(
        f"SELECT {COLUMNS} FROM reversals WHERE payment_intent_id = %s ORDER BY {IN_ORDER}",
        (payment_intent_id,),
    )
    return stored_reversals(tx)


def hold_object(tx: Transaction, object_id: str, payment_intent_id: str) -> None:
    """All that waits of a refund or dispute."""
    tx.execute(
        "UPDATE reversals SET state = 'held', updated_at = now()"
        f" WHERE payment_intent_id = %s AND state = 'waiting' AND {_OBJECT} = %s",
        (payment_intent_id, object_id),
    )


def hold_those_of(tx: Transaction, event_ids: Collection[str]) -> None:
    """All that waits of what these events brought."""
    tx.execute(
        "UPDATE reversals SET state = 'held', updated_at = now()"
        " WHERE event_id = ANY(%s) AND state = 'waiting'",
        (list(event_ids),),
    )


def brought_by(tx: Transaction, event_id: str) -> list[str]:
    """The refunds and disputes of which this event was the first to report a movement."""
    tx.execute(
        f"SELECT DISTINCT {_OBJECT} AS object_id FROM reversals WHERE event_id = %s ORDER BY 1", (event_id,)
    )
    return [row["object_id"] for row in tx.fetchall()]


def states(tx: Transaction, effect_keys: Collection[str]) -> dict[str, str]:
    """By effect key, of those that are known."""
    tx.execute(
        "SELECT effect_key, state FROM reversals WHERE effect_key = ANY(%s) ORDER BY created_at, effect_key",
        (list(effect_keys),),
    )
    return {row["effect_key"]: row["state"] for row in tx.fetchall()}


def revive(tx: Transaction, effect_keys: Collection[str]) -> None:
    """Those that are held wait again."""
    tx.queue(
        "UPDATE reversals SET state = 'waiting', updated_at = now()"
        " WHERE effect_key = ANY(%s) AND state = 'held'",
        (list(effect_keys),),
    )


def revive_objects(tx: Transaction, object_ids: Collection[str], payment_intent_id: str | None) -> None:
    """Make the payment's held reversals of these refunds or disputes wait again."""
    tx.queue(
        "UPDATE reversals SET state = 'waiting', updated_at = now()"
        f" WHERE payment_intent_id = %s AND state = 'held' AND {_OBJECT} = ANY(%s)",
        (payment_intent_id, list(object_ids)),
    )


def hold(tx: Transaction, effect_keys: Collection[str]) -> None:
    tx.queue(
        "UPDATE reversals SET state = 'held', updated_at = now() WHERE effect_key = ANY(%s)",
        (list(effect_keys),),
    )


def emit(tx: Transaction, emitted: Collection[StoredReversal]) -> None:
    """With what each of them moves of the balance."""
    tx.queue(
        "UPDATE reversals SET state = 'emitted', updated_at = now(), emitted_at = now(),"
        " credit_cents = given.credit_cents"
        " FROM unnest(%s::text[], %s::bigint[]) AS given (effect_key, credit_cents)"
        " WHERE reversals.effect_key = given.effect_key",
        ([one.reversal.effect_key for one in emitted], [one.moved_cents for one in emitted]),
    )


def keep_entered(tx: Transaction, effect_key: str, credit_cents: int) -> None:
    """Keep what the ledger has of an emitted one, and had before a restore of this database."""
    tx.execute(
        "UPDATE reversals SET credit_cents = %s, updated_at = now()"
        " WHERE effect_key = %s AND state = 'emitted'",
        (credit_cents, effect_key),
    )


def total(tx: Transaction, payment_intent_id: str) -> None:
    """Bring the payment's refunded and disputed amounts up to what was emitted for it."""
    tx.queue(
        "UPDATE checkout_transactions SET updated_at = now(),"
        " refunded_cents = sums.refunded, disputed_cents = sums.disputed"
        " FROM (SELECT"
        "   COALESCE(sum(CASE kind WHEN 'refunded' THEN amount_cents"
        "                          WHEN 'refund_failed' THEN -amount_cents END), 0) AS refunded,"
        "   COALESCE(sum(CASE kind WHEN 'disputed' THEN amount_cents"
        "                          WHEN 'dispute_won' THEN -amount_cents END), 0) AS disputed"
        "   FROM reversals WHERE payment_intent_id = %s AND state = 'emitted') AS sums"
        " WHERE payment_intent_id = %s",
        (payment_intent_id, payment_intent_id),
    )


def keep_decision(
    tx: Transaction, object_id: str, *, payment_intent_id: str | None, event_id: str, reason: str
) -> None:
    """The first decision about it stays."""
    tx.execute(
        "INSERT INTO discarded_reversals (object_id, payment_intent_id, event_id, reason)"
        " VALUES (%s, %s, %s, %s) ON CONFLICT (object_id) DO NOTHING",
        (object_id, payment_intent_id, event_id, reason),
    )


def discarded_with(tx: Transaction, event_id: str) -> list[str]:
    """The refunds and disputes about which was decided with this event."""
    tx.execute("SELECT object_id FROM discarded_reversals WHERE event_id = %s ORDER BY 1", (event_id,))
    return [row["object_id"] for row in tx.fetchall()]


def taken_up_with(tx: Transaction, event_id: str) -> list[str]:
    """The refunds and disputes that a replay of this event is about, if it is one of the charge."""
    return sorted({*discarded_with(tx, event_id), *brought_by(tx, event_id)})


def take_decisions_back(tx: Transaction, object_ids: Collection[str]) -> None:
    tx.queue("DELETE FROM discarded_reversals WHERE object_id = ANY(%s)", (list(object_ids),))
