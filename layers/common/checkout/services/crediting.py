"""Credit users.balance from checkout.finished, a batch at a time, each effect once.

If the process dies before the commit, nothing happened, and Kafka delivers the batch again. If it dies after
the commit, before the offsets are stored, the batch comes again and every effect key is found in the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from checkout import telemetry
from checkout.adapters import ledger
from checkout.adapters.ledger import Coordinates, Parked
from checkout.adapters.postgres import Cursor, Database
from checkout.domain.effects import Effect
from checkout.domain.finished_event import Unprocessable, decoded
from checkout.domain.msk import Record
from checkout.errors import DataRefused

CONFLICT = "the ledger has this effect with another user, amount or currency"


@dataclass(slots=True)
class Tally:
    """What became of the records of a batch."""

    credited: int = 0
    known: int = 0
    without_effect: int = 0
    parked: int = 0

    def add(self, other: "Tally") -> None:
        self.credited += other.credited
        self.known += other.known
        self.without_effect += other.without_effect
        self.parked += other.parked


@dataclass(frozen=True, slots=True)
class _Movement:
    effect: Effect
    record: Record

    @property
    def coordinates(self) -> Coordinates:
        return Coordinates(self.record.topic, self.record.partition, self.record.offset)

    def parked(self, reason: str) -> Parked:
        return _parked(self.record, reason, self.effect)


def _parked(record: Record, reason: str, effect: Effect | None = None) -> Parked:
    return Parked(
        Coordinates(record.topic, record.partition, record.offset), record.key, record.value, reason, effect
    )


class CreditBalances:
    def __init__(self, application: Database, currency: str) -> None:
        self._application = application
        self._currency = currency

    def __call__(self, records: Sequence[Record]) -> Tally:
        """Every record is credited, known, without effect, or parked when this returns, and committed.

        Raises DatabaseUnavailable: what is not committed then must be delivered again.
        """
        tally = Tally()
        movements: list[_Movement] = []
        parked: list[Parked] = []
        for record in records:
            try:
                effect = decoded(record.value, self._currency).effect
            except Unprocessable as reason:
                parked.append(_parked(record, str(reason)))
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises, it raises for ever
                parked.append(_parked(record, f"cannot be decoded: {type(error).__name__}"))
            else:
                if effect is None:
                    tally.without_effect += 1
                elif effect.currency != self._currency:
                    parked.append(_parked(record, f"currency is not the balance's, {self._currency}", effect))
                else:
                    movements.append(_Movement(effect, record))
        tally.add(self._settle(movements, parked))
        return tally

    def _settle(self, movements: Sequence[_Movement], parked: Sequence[Parked]) -> Tally:
        """In one transaction; what PostgreSQL refuses is found by halving the batch, and parked by itself."""
        if not movements and not parked:
            return Tally()
        try:
            with self._application.transaction() as cursor:
                tally = self._credit(cursor, movements, parked)
        except DataRefused as refusal:
            if not movements:
                raise
            if len(movements) == 1:
                return self._settle(
                    [], [*parked, movements[0].parked(f"refused by the database: {refusal.detail}")]
                )
            middle = len(movements) // 2
            tally = self._settle(movements[:middle], parked)
            tally.add(self._settle(movements[middle:], []))
            return tally
        return tally

    def _credit(self, cursor: Cursor, movements: Sequence[_Movement], rejected: Sequence[Parked]) -> Tally:
        parked = list(rejected)
        known_users = ledger.lock_users(cursor, {movement.effect.user_id for movement in movements})
        distinct: dict[str, _Movement] = {}
        repeated: list[_Movement] = []
        for movement in movements:
            if movement.effect.user_id not in known_users:
                parked.append(movement.parked("there is no such user"))
            elif distinct.setdefault(movement.effect.effect_key, movement) is not movement:
                repeated.append(movement)
        entered = (
            ledger.credit(cursor, [(m.effect, m.coordinates) for m in distinct.values()])
            if distinct
            else set()
        )
        repeated += [movement for key, movement in distinct.items() if key not in entered]
        # Read in a statement of its own: an entry committed while ours waited is invisible to the insert.
        on_record = ledger.claims(cursor, {m.effect.effect_key for m in repeated}) if repeated else {}
        conflicts = [m for m in repeated if on_record.get(m.effect.effect_key) != m.effect.claim]
        parked += [movement.parked(CONFLICT) for movement in conflicts]
        if parked:
            ledger.park(cursor, parked)
            _report(parked)
        return Tally(credited=len(entered), known=len(repeated) - len(conflicts), parked=len(parked))


def _report(parked: Sequence[Parked]) -> None:
    for record in parked:
        telemetry.alert(
            "RecordParked",
            "a record cannot be applied",
            reason=record.reason,
            topic=record.coordinates.topic,
            partition=record.coordinates.partition,
            offset=record.coordinates.offset,
            effect_key=record.effect and record.effect.effect_key,
        )
