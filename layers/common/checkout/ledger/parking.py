"""Park what can never be applied, with an alert."""

from collections.abc import Sequence

from checkout.base import telemetry
from checkout.base.postgres import Transaction
from checkout.ledger import parked
from checkout.ledger.parked import Parked


def park(tx: Transaction, records: Sequence[Parked]) -> None:
    """Keep their bytes and the reason. One that is parked already stays as it is, without another alert."""
    if not records:
        return
    new = parked.park(tx, records)
    for one in records:
        at = (one.record.topic, one.record.partition, one.record.offset)
        if at in new and not (one.is_discarded or one.is_early):
            telemetry.alert(
                "RecordParked",
                "a record cannot be applied",
                reason=one.reason,
                topic=one.record.topic,
                partition=one.record.partition,
                offset=one.record.offset,
                effect_key=one.effect and one.effect.effect_key,
            )
