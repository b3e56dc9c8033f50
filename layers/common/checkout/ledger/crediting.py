"""Credit users.balance from checkout.finished, a batch at a time, each effect once.

If the process dies before the commit, nothing happened, and Kafka delivers the batch again. If it dies after
the commit, before the offsets are stored, the batch comes again and every effect key is found in the ledger.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from checkout.base import telemetry
from checkout.base.postgres import Database, Transaction
from checkout.base.user_ids import UserId
from checkout.ledger import entering
from checkout.ledger.batch import CreditingBatch
from checkout.ledger.decision import Movement
from checkout.ledger.entering import Tally
from checkout.ledger.parked import Parked
from checkout.outbox.fields import Unprocessable
from checkout.outbox.finished_event import decoded
from checkout.outbox.record import Record


@dataclass(slots=True)
class BatchTally(Tally):
    again: list[Record] = field(default_factory=list)
    """Records of which nothing was done; they must be delivered again."""


class CreditBalances:
    def __init__(self, application: Database, currency: str) -> None:
        self._application = application
        self._currency = currency
        self._apart: set[UserId] = set()
        """Users who were locked in the last batch. Credited apart, they do not delay the others."""

    def __call__(self, records: Sequence[Record], deadline: float = math.inf) -> BatchTally:
        """When this returns, every record is credited, known, without effect or parked, and committed, except
        those in `again`.

        These are the records of users whom another transaction locks, and those not reached before
        time.monotonic() passed `deadline`; the transaction that is under way then may take 30 seconds more.
        Raises DatabaseUnavailable: what is not committed then must be delivered again.
        """
        tally = BatchTally()
        movements: list[Movement] = []
        unreadable: list[Parked] = []
        for found in map(self._read, records):
            if isinstance(found, Movement):
                movements.append(found)
            elif found is None:
                tally.without_effect += 1
            else:
                unreadable.append(found)
        batch = CreditingBatch(self._application, self._read, deadline)
        batch.settle(movements, unreadable, apart=self._apart)
        tally.add(batch.tally)
        if batch.again:
            untouched = {movement.record for movement in batch.again}
            tally.again = [record for record in records if record in untouched]
            _report(batch.again)
        self._apart = batch.in_the_way
        return tally

    def replay(self, tx: Transaction, records: Sequence[Record]) -> tuple[Tally, Sequence[Parked]]:
        """Apply parked records in the caller's transaction. What still cannot be applied is not parked again
        but returned, for the caller to roll back. Raises DatabaseUnavailable and DataRefused."""
        found = [self._read(record) for record in records]
        movements = [one for one in found if isinstance(one, Movement)]
        refused = [one for one in found if isinstance(one, Parked)]
        tally, parked = entering.carry_out(tx, entering.plan(tx, movements, self._read, wait=True))
        tally.without_effect += found.count(None)
        return tally, [*refused, *parked]

    def _read(self, record: Record) -> Movement | Parked | None:
        """What a record asks for; None if it moves no balance, Parked if it can never be read."""
        try:
            event = decoded(record.value, self._currency, self._application.user_ids)
            effect = event.effect
        except Unprocessable as reason:
            return Parked(record, str(reason), None)
        if effect is None:
            return None
        is_other = effect.currency != self._currency
        rejection = f"currency is not the balance's, {self._currency}" if is_other else None
        return Movement(effect, record, event.timestamp, rejection)


def _report(again: Sequence[Movement]) -> None:
    telemetry.count("CreditsDeferred", len(again))
    users = sorted({movement.effect.user_id for movement in again}, key=str)
    telemetry.logger.warning(
        "credits must come again: somebody holds what they need, or the time was up",
        extra={"records": len(again), "users": len(users), "user_ids": users[:10]},
    )
