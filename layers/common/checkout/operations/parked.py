"""Parked records of Kafka: look at them, apply them once their cause is gone, or never.

If the process dies before its commit, nothing was decided; after it, all was: a replay is one transaction
with the entries that it makes.
"""

from collections.abc import Callable, Iterator, Sequence

from checkout.base import telemetry
from checkout.base.errors import DataRefused, NotFound, Refused
from checkout.base.postgres import Database, Transaction
from checkout.ledger import entering, parked
from checkout.ledger import table as ledger
from checkout.ledger.belonging import Movements, are_of_one_payment, are_of_one_reversal, are_one
from checkout.ledger.crediting import CreditBalances
from checkout.ledger.entering import Tally
from checkout.ledger.parked import ParkedRecord
from checkout.outbox.effects import Effect
from checkout.outbox.finished_event import TOPIC
from checkout.reconciliation.decisions import Decisions


class ParkedRecords:
    def __init__(self, application: Database, crediting: CreditBalances, decisions: Decisions) -> None:
        self._application = application
        self._crediting = crediting
        self._decisions = decisions

    def page(self, *, after_id: int = 0, limit: int = 100, resolved: bool = False) -> list[ParkedRecord]:
        """In the order in which they were parked; the resolved ones too where wanted."""
        with self._application.transaction() as tx:
            return parked.page(tx, after_id=after_id, limit=limit, resolved=resolved)

    def each(self) -> Iterator[ParkedRecord]:
        """Every one that is not resolved, a page at a time."""
        page = self.page()
        while page:
            yield from page
            page = self.page(after_id=page[-1].id)

    def record(self, record_id: int) -> ParkedRecord:
        """Raises NotFound."""
        with self._application.transaction() as tx:
            return _existing(tx, record_id)

    def replayed_with(self, record_id: int) -> list[ParkedRecord]:
        """What a replay of this record takes. Raises NotFound, or Refused where it was replayed."""
        with self._application.transaction() as tx:
            return _together(tx, record_id, _replayable)[0]

    def discarded_with(self, record_id: int) -> list[ParkedRecord]:
        """What discarding this record takes. Raises NotFound, or Refused where it was resolved or is in the
        ledger."""
        with self._application.transaction() as tx:
            return _discarded_together(tx, record_id)

    def replay(self, record_id: int, *, reason: str | None = None, operator: str | None = None) -> Tally:
        """Apply the record as the consumer would now, and with it what is decided together with it.

        A discarded record can be replayed after all. Raises NotFound, or Refused where anything of it still
        cannot be applied; nothing was changed then.
        """
        try:
            with self._application.transaction() as tx:
                records, _ = _together(tx, record_id, _replayable)
                if erased := [record.id for record in records if record.erased_at is not None]:
                    raise Refused(f"The bytes of {erased} were erased, so nobody can tell what to apply.")
                if records[0].topic != TOPIC:
                    raise Refused("A request moves no balance: its sender asks again, by another request_id.")
                # First, since what is parked or discarded would not be applied.
                parked.resolve(tx, [record.id for record in records], "replayed", reason, operator)
                tally, refused = self._crediting.replay(tx, [record.record for record in records])
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
        with self._application.transaction() as tx:
            records = _discarded_together(tx, record_id)
            parked.resolve(tx, [record.id for record in records], "discarded", reason, operator)
            self._decisions.keep(records, reason=reason, operator=operator)
        _log("parked records discarded", records, reason, operator)
        return records


def _existing(tx: Transaction, record_id: int) -> ParkedRecord:
    record = parked.find(tx, record_id)
    if record is None:
        raise NotFound(f"There is no parked record {record_id}.")
    return record


def _replayable(record: ParkedRecord) -> bool:
    return record.resolution != "replayed"


def _discardable(record: ParkedRecord) -> bool:
    return record.resolution is None


def _together(
    tx: Transaction, record_id: int, eligible: Callable[[ParkedRecord], bool]
) -> tuple[list[ParkedRecord], bool]:
    """The record, locked, and what is decided with it; and whether the ledger has what it asks for.

    Decided together are the credit and all reversals of a payment of the user, and once that is credited, all
    movements of one refund or dispute. What is in the ledger is decided alone.
    """
    found = _existing(tx, record_id)
    if found.user_id is not None:
        # As the consumer does, so that no reversal is parked between our look and our commit.
        ledger.lock_users(tx, {found.user_id})
    records = parked.lock(tx, record_id)
    chosen = next(record for record in records if record.id == record_id)
    if not eligible(chosen):
        raise Refused(f"The parked record {record_id} was {chosen.resolution} at {chosen.resolved_at}.")
    asked = chosen.effect
    if asked is None:
        return [chosen], False
    effects = [effect for record in records if (effect := record.effect) is not None]
    entered = Movements(entering.related(tx, effects))
    if entered.known(asked) is not None:
        return [chosen], True
    is_credited = any(credit.user_id == asked.user_id for credit in entered.credits_of(asked))
    belongs = are_of_one_reversal if is_credited else are_of_one_payment
    return [
        record
        for record in records
        if record is chosen
        or (
            eligible(record)
            and (effect := record.effect) is not None
            and entered.known(effect) is None
            and _is_no_rival(effect, asked)
            and belongs(effect, asked)
        )
    ], False


def _discarded_together(tx: Transaction, record_id: int) -> list[ParkedRecord]:
    records, is_entered = _together(tx, record_id, _discardable)
    if is_entered:
        raise Refused(
            f"What the parked record {record_id} asks for is in the ledger; replay the record to settle it."
        )
    return records


def _is_no_rival(effect: Effect, asked: Effect) -> bool:
    """False for another user's, and for the same movement with another amount: only one of them is right."""
    return effect.user_id == asked.user_id and (not are_one(effect, asked) or effect.claim == asked.claim)


def _log(what: str, records: Sequence[ParkedRecord], reason: str | None, operator: str | None) -> None:
    ids = [record.id for record in records]
    telemetry.logger.warning(what, extra={"parked_ids": ids, "reason": reason, "operator": operator})
