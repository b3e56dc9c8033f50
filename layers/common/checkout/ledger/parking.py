"""Park what can never be applied, with an alert."""

from collections.abc import Sequence

from checkout.base import telemetry
from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction
from checkout.ledger import parked
from checkout.ledger.decision import Unapplied
from checkout.ledger.parked import Parked
from checkout.outbox.effects import Effect
from checkout.outbox.record import Record


def park(tx: Transaction, records: Sequence[Parked]) -> None:
    """Keep their bytes and the reason. Records that are parked already stay as they are, without an alert.

    Raises InvariantBroken if one is neither new nor there: it would be lost.
    """
    if not records:
        return
    new = parked.park(tx, records)
    known = {one.record.place for one in records} - new
    if known and not parked.are_there(tx, known):
        raise InvariantBroken(
            "parked_events does not take a record: its sequence gives ids that are taken (`operations"
            " restored` moves it on), or a trigger or rule is in the way."
        )
    for one in records:
        if one.record.place in new and not (one.is_discarded or one.is_early):
            _alert(one.record, one.effect, one.reason)


def leave(tx: Transaction, records: Sequence[Unapplied], reason: str) -> None:
    """What these had waited for was entered without them. Refuse them with an alert: nothing retries them,
    and there may have been none yet."""
    left = [one for one in records if not one.is_refused]
    if not left:
        return
    parked.refuse(tx, [one.id for one in left], reason)
    for one in left:
        _alert(one.record, one.effect, reason)


def _alert(record: Record, effect: Effect | None, reason: str) -> None:
    telemetry.alert(
        "RecordParked",
        "a record cannot be applied",
        reason=reason,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        effect_key=effect and effect.effect_key,
    )
