"""SQL that finds movements in the application's database, by effect key and by payment intent."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId
from checkout.outbox.effects import Recorded

Decision = Literal["open", "discarded"]


class ParkedMovement(NamedTuple):
    """What a parked record asks for. `value` is empty if its bytes were erased; a record that an earlier
    release parked has its payment intent in the bytes alone."""

    effect_key: str
    claim: tuple[UserId, int, str]
    payment_intent_id: str | None
    value: bytes
    decision: Decision


def entries(
    tx: Transaction, effect_keys: Collection[str], payment_intents: Collection[str]
) -> list[Recorded]:
    """Ledger entries under these keys, and the credits of these payment intents under any."""
    columns = "effect_key, user_id, amount_cents, currency, payment_intent_id"
    tx.execute(
        f"SELECT {columns} FROM ledger_entries WHERE effect_key = ANY(%s)"
        f" UNION SELECT {columns} FROM ledger_entries WHERE kind = 'success' AND payment_intent_id = ANY(%s)",
        (list(effect_keys), list(payment_intents)),
    )
    return [
        Recorded(
            row["effect_key"],
            (row["user_id"], row["amount_cents"], row["currency"]),
            row["payment_intent_id"],
        )
        for row in tx.fetchall()
    ]


def parked(
    tx: Transaction, effect_keys: Collection[str], payment_intents: Collection[str]
) -> list[ParkedMovement]:
    """Records parked under these keys, and credits of these payment intents under any key, that nobody has
    replayed."""
    columns = (
        "id, effect_key, user_id, amount_cents, currency, payment_intent_id, value,"
        " COALESCE(resolution, 'open') AS decision"
    )
    undone = "resolution IS DISTINCT FROM 'replayed'"
    tx.execute(
        f"SELECT {columns} FROM parked_events WHERE effect_key = ANY(%s) AND {undone}"
        f" UNION SELECT {columns} FROM parked_events WHERE payment_intent_id = ANY(%s)"
        f" AND starts_with(effect_key, 'success:') AND {undone}",
        (list(effect_keys), list(payment_intents)),
    )
    return [
        ParkedMovement(
            row["effect_key"],
            (row["user_id"], row["amount_cents"], row["currency"]),
            row["payment_intent_id"],
            bytes(row["value"]),
            row["decision"],
        )
        for row in tx.fetchall()
    ]
