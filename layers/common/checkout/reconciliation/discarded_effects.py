"""SQL of discarded_effects: the checkout database's copy of what operators decided never to apply."""

from collections.abc import Collection, Sequence
from dataclasses import astuple, dataclass

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserId
from checkout.outbox.effects import Effect, Recorded, are_one, effect_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """A row. `value` is None if the record's bytes were erased; `parked_for` is why it was parked."""

    effect_key: str
    user_id: UserId
    amount_cents: int
    currency: str
    request_id: str | None
    payment_intent_id: str | None
    dispute_id: str | None
    topic: str
    partition: int
    kafka_offset: int
    value: bytes | None
    parked_for: str
    reason: str
    operator: str | None

    @property
    def effect(self) -> Effect:
        return effect_of(
            self.effect_key,
            (self.user_id, self.amount_cents, self.currency),
            request_id=self.request_id,
            payment_intent_id=self.payment_intent_id,
            dispute_id=self.dispute_id,
        )


_COLUMNS = ", ".join(Discarded.__slots__)


def keep(tx: Transaction, discarded: Sequence[Discarded]) -> None:
    """Insert; rows that exist already are left as they are."""
    if discarded:
        tx.execute_values(
            f"INSERT INTO discarded_effects ({_COLUMNS}) VALUES %s ON CONFLICT DO NOTHING",
            [astuple(one) for one in discarded],
        )


def take_back(tx: Transaction, effect_keys: Collection[str]) -> None:
    """Forget the decisions about these effects."""
    tx.execute("DELETE FROM discarded_effects WHERE effect_key = ANY(%s)", (list(effect_keys),))


def among(tx: Transaction, effects: Collection[Effect]) -> set[str]:
    """The keys of those of them that were discarded, with the same user, amount and currency. After a restore
    another payment can have the request_id of one that was discarded."""
    if not effects:
        return set()
    rows = tx.tuples(
        "SELECT effect_key, user_id, amount_cents, currency, payment_intent_id FROM discarded_effects"
        " WHERE effect_key = ANY(%s)",
        ([effect.effect_key for effect in effects],),
    )
    decided = [
        Recorded(key, (user_id, amount, currency), intent) for key, user_id, amount, currency, intent in rows
    ]
    return {
        effect.effect_key
        for effect in effects
        if any(one.claim == effect.claim and are_one(one, effect) for one in decided)
    }


def page(tx: Transaction, *, behind: Discarded | None, limit: int) -> list[Discarded]:
    """The next rows behind that one, in the order of effect keys and users."""
    tx.execute(
        f"SELECT {_COLUMNS} FROM discarded_effects"
        " WHERE (effect_key, user_id, amount_cents, currency) > (%s, %s, %s, %s)"
        " ORDER BY effect_key, user_id, amount_cents, currency LIMIT %s",
        (
            *(behind.effect_key if behind else "", behind.user_id if behind else tx.user_ids.first),
            *(behind.amount_cents if behind else 0, behind.currency if behind else "", limit),
        ),
    )
    return [
        Discarded(**{**row, "value": None if row["value"] is None else bytes(row["value"])})
        for row in tx.fetchall()
    ]


def discard_again(tx: Transaction, discarded: Sequence[Discarded]) -> None:
    """Insert them into the application's database, which has lost them."""
    tx.execute_values(
        "INSERT INTO parked_events (topic, partition, kafka_offset, key, value, reason, effect_key,"
        "  user_id, amount_cents, currency, request_id, payment_intent_id, dispute_id, resolution,"
        "  resolution_reason, operator, resolved_at, erased_at, value_hash)"
        " VALUES %s ON CONFLICT DO NOTHING",
        [
            (
                *(one.topic, one.partition, one.kafka_offset, str(one.user_id).encode(), one.value or b""),
                *(one.parked_for, one.effect_key, one.user_id, one.amount_cents, one.currency),
                *(one.request_id, one.payment_intent_id, one.dispute_id),
                *("discarded", one.reason, one.operator, one.value is None, one.value is None),
            )
            for one in discarded
        ],
        template=f"({', '.join(['%s'] * 16)}, now(),"
        " CASE WHEN %s THEN now() END, CASE WHEN %s THEN sha256('') END)",
    )
