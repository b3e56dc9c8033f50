"""Put aside what can never be applied, loudly."""

from collections.abc import Sequence

from checkout import telemetry
from checkout.adapters import ledger
from checkout.adapters.ledger import Parked
from checkout.adapters.postgres import Cursor


def park(cursor: Cursor, records: Sequence[Parked]) -> None:
    """With their bytes and the reason; one that is parked already stays as it is."""
    ledger.park(cursor, records)
    for record in records:
        telemetry.alert(
            "RecordParked",
            "a record cannot be applied",
            reason=record.reason,
            topic=record.coordinates.topic,
            partition=record.coordinates.partition,
            offset=record.coordinates.offset,
            effect_key=record.effect and record.effect.effect_key,
        )
