"""Parked records of Kafka: look at them, apply them once their cause is gone, or never.

If the process dies before its commit, nothing was decided; after it, all was: a replay is one transaction
with the entries that it makes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from checkout import telemetry
from checkout.adapters import ledger, parked
from checkout.adapters.ledger import Claim
from checkout.adapters.parked import ParkedRecord
from checkout.adapters.postgres import Cursor, Database
from checkout.domain.effects import success_key
from checkout.domain.finished_event import TOPIC
from checkout.domain.msk import Record
from checkout.errors import DataRefused, NotFound, Refused
from checkout.services.crediting import CreditBalances, Tally
from checkout.services.decisions import Decisions


class ParkedRecords:
    def __init__(self, application: Database, crediting: CreditBalances, decisions: Decisions) -> None:
        self._application = application
        self._crediting = crediting
        self._decisions = decisions

    def page(self, *, after_id: int = 0, limit: int = 100, resolved: bool = False) -> list[ParkedRecord]:
        """In the order in which they were parked; the resolved ones too where wanted."""
        with self._application.transaction() as cursor:
            return parked.page(cursor, after_id=after_id, limit=limit, resolved=resolved)

    def each(self) -> Iterator[ParkedRecord]:
        """Every one that is not resolved, a page at a time."""
        page = self.page()
        while page:
            yield from page
            page = self.page(after_id=page[-1].id)

    def record(self, record_id: int) -> ParkedRecord:
        """Raises NotFound."""
        with self._application.transaction() as cursor:
            return _existing(cursor, record_id)

    def replayed_with(self, record_id: int) -> list[ParkedRecord]:
        """What a replay of this record takes. Raises NotFound, or Refused where it was replayed."""
        with self._application.transaction() as cursor:
            return _together(cursor, record_id, _replayable)

    def discarded_with(self, record_id: int) -> list[ParkedRecord]:
        """What discarding this record takes. Raises NotFound, or Refused where it was resolved or is in the
        ledger."""
        with self._application.transaction() as cursor:
            return _discarded_together(cursor, record_id)

    def replay(self, record_id: int, *, reason: str | None = None, operator: str | None = None) -> Tally:
        """Apply the record as the consumer would now, and with it what is decided together with it.

        A discarded record can be replayed after all. Raises NotFound, or Refused where anything of it still
        cannot be applied; nothing was changed then.
        """
        try:
            with self._application.transaction() as cursor:
                records = _together(cursor, record_id, _replayable)
                if erased := [record.id for record in records if record.erased_at is not None]:
                    raise Refused(f"The bytes of {erased} were erased, so nobody can tell what to apply.")
                if records[0].topic != TOPIC:
                    raise Refused("A request moves no balance: its sender asks again, by another request_id.")
                # First, since what is parked or discarded would not be applied.
                parked.resolve(cursor, [record.id for record in records], "replayed", reason, operator)
                tally, refused = self._crediting.replay(cursor, [_as_delivered(record) for record in records])
                if refused:
                    raise Refused(
                        "It cannot be applied yet: " + "; ".join(one.reason for one in refused) + "."
                    )
                self._decisions.take_back(records)
        except DataRefused as refusal:
            raise Refused(
                f"It cannot be applied yet: the database refuses it: {refusal.detail}."
            ) from refusal
        _log("parked records replayed", records, reason, operator)
        return tally

    def discard(self, record_id: int, *, reason: str, operator: str | None = None) -> Sequence[ParkedRecord]:
        """Decide that the record is never applied, nor what is decided together with it; returns them.

        The same effect is not applied when Kafka delivers it again, and not emitted again. Raises NotFound or
        Refused.
        """
        with self._application.transaction() as cursor:
            records = _discarded_together(cursor, record_id)
            parked.resolve(cursor, [record.id for record in records], "discarded", reason, operator)
            self._decisions.keep(records, reason=reason, operator=operator)
        _log("parked records discarded", records, reason, operator)
        return records


def _existing(cursor: Cursor, record_id: int) -> ParkedRecord:
    record = parked.find(cursor, record_id)
    if record is None:
        raise NotFound(f"There is no parked record {record_id}.")
    return record


def _replayable(record: ParkedRecord) -> bool:
    return record.resolution != "replayed"


def _discardable(record: ParkedRecord) -> bool:
    return record.resolution is None


def _together(cursor: Cursor, record_id: int, eligible: Callable[[ParkedRecord], bool]) -> list[ParkedRecord]:
    """The record, locked, and with it the user's credit and reversals of the same payment, unless that is
    credited.

    What is in the ledger is decided by itself; and so is another claim under the same effect key, since it is
    not the same effect.
    """
    found = _existing(cursor, record_id)
    if found.user_id is not None:
        # As the consumer does, so that no reversal is parked between our look and our commit.
        ledger.lock_users(cursor, {found.user_id})
    records = parked.lock(cursor, record_id, found.request_id)
    chosen = next(record for record in records if record.id == record_id)
    if not eligible(chosen):
        raise Refused(f"The parked record {record_id} was {chosen.resolution} at {chosen.resolved_at}.")
    if chosen.request_id is None:
        return [chosen]
    credit = success_key(chosen.request_id)
    on_record = ledger.claims(cursor, {credit, *(record.effect_key or "" for record in records)})
    is_credited = credit in on_record and on_record[credit][0] == chosen.user_id
    if is_credited or _is_entered(chosen, on_record):
        return [chosen]
    return [record for record in records if eligible(record) and _belongs(record, chosen, on_record)]


def _discarded_together(cursor: Cursor, record_id: int) -> list[ParkedRecord]:
    records = _together(cursor, record_id, _discardable)
    keys = {record.effect_key for record in records if record.effect_key is not None}
    on_record = ledger.claims(cursor, keys)
    if any(_is_entered(record, on_record) for record in records):
        raise Refused(
            f"What the parked record {record_id} asks for is in the ledger; replay the record to settle it."
        )
    return records


def _belongs(record: ParkedRecord, chosen: ParkedRecord, on_record: Mapping[str, Claim]) -> bool:
    if record.user_id != chosen.user_id or _is_entered(record, on_record):
        return False
    return record.effect_key != chosen.effect_key or _claim(record) == _claim(chosen)


def _is_entered(record: ParkedRecord, on_record: Mapping[str, Claim]) -> bool:
    return record.effect_key is not None and on_record.get(record.effect_key) == _claim(record)


def _claim(record: ParkedRecord) -> tuple[int | None, int | None, str | None]:
    return record.user_id, record.amount_cents, record.currency


def _as_delivered(record: ParkedRecord) -> Record:
    return Record(record.topic, record.partition, record.kafka_offset, record.key, record.value)


def _log(what: str, records: Sequence[ParkedRecord], reason: str | None, operator: str | None) -> None:
    ids = [record.id for record in records]
    telemetry.logger.warning(what, extra={"parked_ids": ids, "reason": reason, "operator": operator})
