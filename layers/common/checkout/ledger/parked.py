"""SQL of parked_events: park, find, read, decide. A row is never deleted."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from checkout.base.postgres import Transaction, array
from checkout.base.user_ids import UserId
from checkout.ledger.decision import Unapplied
from checkout.outbox.effects import Effect, are_one, effect_of
from checkout.outbox.record import Record

Resolution = Literal["replayed", "discarded"]


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that cannot be applied, and what it asks for if that could be read."""

    record: Record
    reason: str
    effect: Effect | None
    is_refused: bool = False
    """The database refused it, or a rule that the application made there."""
    is_discarded: bool = False
    """It is discarded already, together with what it depends on."""
    is_early: bool = False
    """What it depends on is on its way and brings it along, so nobody need do anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRecord:
    """A row. What could not be read from the bytes is null; `amount_cents` is signed."""

    id: int
    topic: str
    partition: int
    kafka_offset: int
    key: bytes | None
    value: bytes
    reason: str
    effect_key: str | None
    request_id: str | None
    user_id: UserId | None
    amount_cents: int | None
    currency: str | None
    payment_intent_id: str | None
    dispute_id: str | None
    is_refused: bool
    created_at: datetime
    resolution: Resolution | None
    resolution_reason: str | None
    operator: str | None
    resolved_at: datetime | None
    erased_at: datetime | None

    @property
    def effect(self) -> Effect | None:
        """What it asks for; None if its bytes could not be read."""
        if (
            self.effect_key is None
            or self.user_id is None
            or self.amount_cents is None
            or self.currency is None
        ):
            return None
        return effect_of(
            self.effect_key,
            (self.user_id, self.amount_cents, self.currency),
            request_id=self.request_id,
            payment_intent_id=self.payment_intent_id,
            dispute_id=self.dispute_id,
        )

    @property
    def record(self) -> Record:
        """As it was delivered."""
        return Record(self.topic, self.partition, self.kafka_offset, self.key, self.value)


_COLUMNS = ", ".join(ParkedRecord.__slots__)


def _records(tx: Transaction) -> list[ParkedRecord]:
    return [
        ParkedRecord(
            **{**row, "value": bytes(row["value"]), "key": None if row["key"] is None else bytes(row["key"])}
        )
        for row in tx.fetchall()
    ]


def page(tx: Transaction, *, after_id: int, limit: int, resolved: bool) -> list[ParkedRecord]:
    """A page, oldest first; with `resolved` also those that were decided."""
    tx.execute(
        f"SELECT {_COLUMNS} FROM parked_events WHERE id > %s AND (%s OR resolution IS NULL)"
        " ORDER BY id LIMIT %s",
        (after_id, resolved, limit),
    )
    return _records(tx)


def open_after(tx: Transaction, record_id: int) -> int:
    """The number of later records that nobody has decided about."""
    tx.execute(
        "SELECT count(*) AS number FROM parked_events WHERE id > %s AND resolution IS NULL", (record_id,)
    )
    return int(tx.row()["number"])


def find(tx: Transaction, record_id: int) -> ParkedRecord | None:
    tx.execute(f"SELECT {_COLUMNS} FROM parked_events WHERE id = %s", (record_id,))
    return next(iter(_records(tx)), None)


def lock(tx: Transaction, record_id: int) -> list[ParkedRecord]:
    """The record and those that may be of its payment, credit before reversals; locked until the transaction
    ends."""
    others = (
        "id = %(id)s OR request_id = (SELECT request_id FROM parked_events WHERE id = %(id)s)"
        " OR payment_intent_id = (SELECT payment_intent_id FROM parked_events WHERE id = %(id)s)"
    )
    # In the order in which the consumer locks them.
    tx.execute(f"SELECT FROM parked_events WHERE {others} ORDER BY id FOR UPDATE", {"id": record_id})
    # In another statement: what was parked while that one waited for the lock is invisible to it.
    tx.execute(
        f"SELECT {_COLUMNS} FROM parked_events WHERE {others}"
        " ORDER BY effect_key IS DISTINCT FROM 'success:' || request_id, id",
        {"id": record_id},
    )
    return _records(tx)


def unapplied(
    tx: Transaction,
    effect_keys: Collection[str],
    request_ids: Collection[str],
    payment_intents: Collection[str],
) -> list[Unapplied]:
    """Records that were parked and not replayed since: those of these effects and of these payments.

    Locked until the transaction ends: an operator's decision comes wholly before or after it, even about a
    user who is not there to be locked.
    """
    # Planned without the values: to weigh thousands of them takes longer than to find their rows, and ends in
    # reading the whole table.
    among = "ANY((SELECT %s::text[])::text[])"
    tx.execute(
        f"SELECT {_COLUMNS} FROM parked_events"
        " WHERE resolution IS DISTINCT FROM 'replayed' AND effect_key IS NOT NULL"
        f"   AND (effect_key = {among} OR request_id = {among} OR payment_intent_id = {among})"
        " ORDER BY id FOR UPDATE",
        (array(effect_keys), array(request_ids), array(payment_intents)),
    )
    return [
        Unapplied(row.id, effect, row.record, row.resolution == "discarded", row.is_refused)
        for row in _records(tx)
        if (effect := row.effect) is not None
    ]


def unapplied_of(tx: Transaction, effects: Collection[Effect]) -> list[Unapplied]:
    """The same of what these effects and their payments are found by."""
    if not effects:
        return []
    return unapplied(
        tx,
        # A credit has the key that its request_id makes.
        {effect.effect_key for effect in effects if effect.kind != "success"},
        {effect.request_id for effect in effects},
        {effect.payment_intent_id for effect in effects if effect.payment_intent_id is not None},
    )


def open_among(records: Collection[Unapplied], effect: Effect) -> list[int]:
    """The ids of those of this very movement, user and amount that nobody has decided about."""
    return [
        one.id
        for one in records
        if not one.is_discarded and one.effect.claim == effect.claim and are_one(one.effect, effect)
    ]


def park(tx: Transaction, records: Sequence[Parked]) -> set[tuple[str, int, int]]:
    """A record that is parked already stays as it is. Returns (topic, partition, offset) of the others."""
    tx.execute_values(
        "INSERT INTO parked_events"
        " (topic, partition, kafka_offset, key, value, reason, effect_key, user_id, amount_cents, currency,"
        "  request_id, payment_intent_id, dispute_id, is_refused, resolution, resolution_reason, resolved_at)"
        " VALUES %s ON CONFLICT DO NOTHING RETURNING topic, partition, kafka_offset",
        [_row(parked) for parked in records],
        template=f"({', '.join(['%s'] * 16)}, CASE WHEN %s THEN now() END)",
    )
    return {(row["topic"], row["partition"], row["kafka_offset"]) for row in tx.fetchall()}


def are_there(tx: Transaction, places: Collection[tuple[str, int, int]]) -> bool:
    """True if each of these (topic, partition, offset) has a parked record."""
    tx.execute_values(
        "SELECT DISTINCT topic, partition, kafka_offset FROM parked_events"
        " WHERE (topic, partition, kafka_offset) IN (VALUES %s)",
        places,
    )
    return len(tx.fetchall()) == len(places)


def _row(parked: Parked) -> tuple[object, ...]:
    record, effect = parked.record, parked.effect
    asked = (
        (None,) * 7
        if effect is None
        else (
            effect.effect_key,
            effect.user_id,
            effect.amount_cents,
            effect.currency,
            effect.request_id,
            effect.payment_intent_id,
            effect.dispute_id,
        )
    )
    decided = ("discarded", parked.reason) if parked.is_discarded else (None, None)
    return (
        *(*record.place, record.key, record.value, parked.reason),
        *(*asked, parked.is_refused, *decided, parked.is_discarded),
    )


def refuse(tx: Transaction, ids: Collection[int], reason: str) -> None:
    """The database has refused them by now. They stay open."""
    tx.execute(
        "UPDATE parked_events SET reason = %s, is_refused = true WHERE id = ANY(%s)", (reason, list(ids))
    )


def resolve(
    tx: Transaction,
    ids: Collection[int],
    resolution: Resolution,
    reason: str | None,
    operator: str | None,
) -> None:
    tx.execute(
        "UPDATE parked_events SET resolution = %s, resolution_reason = %s, operator = %s, resolved_at = now()"
        " WHERE id = ANY(%s)",
        (resolution, reason, operator, list(ids)),
    )
