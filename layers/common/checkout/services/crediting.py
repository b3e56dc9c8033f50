"""Credit users.balance from checkout.finished, a batch at a time, each effect once.

If the process dies before the commit, nothing happened, and Kafka delivers the batch again. If it dies after
the commit, before the offsets are stored, the batch comes again and every effect key is found in the ledger.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

from checkout.adapters import ledger
from checkout.adapters.ledger import Coordinates, Parked
from checkout.adapters.postgres import Cursor, Database
from checkout.domain.effects import Effect, success_key
from checkout.domain.fields import Unprocessable
from checkout.domain.finished_event import decoded
from checkout.domain.msk import Record
from checkout.errors import DataRefused
from checkout.services import parking

CONFLICT = "the ledger has this effect with another user, amount or currency"
NO_USER = "there is no such user"
CREDIT_IS_PARKED = "the credit that it reverses is parked or discarded, so it is decided together with that"


@dataclass(slots=True)
class Tally:
    """What became of the records of a batch."""

    credited: int = 0
    known: int = 0
    without_effect: int = 0
    parked: int = 0
    oldest_paid_at: str | None = None
    """Of the payments credited: when the first was paid, as its event says."""

    def add(self, other: "Tally") -> None:
        self.credited += other.credited
        self.known += other.known
        self.without_effect += other.without_effect
        self.parked += other.parked
        self.oldest_paid_at = _earlier(self.oldest_paid_at, other.oldest_paid_at)


@dataclass(frozen=True, slots=True)
class _Movement:
    effect: Effect
    record: Record
    timestamp: str

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
        movements, parked, without_effect = self._read(records)
        tally = self._settle(movements, parked)
        tally.without_effect += without_effect
        return tally

    def replay(self, cursor: Cursor, records: Sequence[Record]) -> tuple[Tally, Sequence[Parked]]:
        """The same in the caller's transaction, for records that were parked. What still cannot be applied is
        not parked again but returned, for the caller to roll back. Raises DataRefused, too."""
        movements, parked, without_effect = self._read(records)
        tally, refused = self._enter(cursor, movements, parked)
        tally.without_effect += without_effect
        return tally, refused

    def _read(self, records: Sequence[Record]) -> tuple[list[_Movement], list[Parked], int]:
        """What moves a balance, what can never be applied, and how many have no effect."""
        movements: list[_Movement] = []
        parked: list[Parked] = []
        for record in records:
            try:
                event = decoded(record.value, self._currency)
                effect = event.effect
            except Unprocessable as reason:
                parked.append(_parked(record, str(reason)))
            except Exception as error:  # noqa: BLE001 - whatever a decoder raises, it raises for ever
                parked.append(_parked(record, f"cannot be decoded: {type(error).__name__}"))
            else:
                if effect is None:
                    continue
                if effect.currency != self._currency:
                    parked.append(_parked(record, f"currency is not the balance's, {self._currency}", effect))
                else:
                    movements.append(_Movement(effect, record, event.timestamp))
        return movements, parked, len(records) - len(movements) - len(parked)

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
        tally, parked = self._enter(cursor, movements, rejected)
        if parked:
            parking.park(cursor, parked)
        tally.parked = len(parked)
        return tally

    def _enter(
        self, cursor: Cursor, movements: Sequence[_Movement], rejected: Sequence[Parked]
    ) -> tuple[Tally, list[Parked]]:
        """Enter what can be; returns with the tally what cannot, the rejected included."""
        parked = list(rejected)
        if not movements:
            return Tally(), parked
        known_users = ledger.lock_users(cursor, {movement.effect.user_id for movement in movements})
        of_users = [m for m in movements if m.effect.user_id in known_users]
        parked += [m.parked(NO_USER) for m in movements if m.effect.user_id not in known_users]
        wanted, alone = _decided(cursor, of_users, {p.effect.effect_key for p in parked if p.effect})
        parked += [movement.parked(CREDIT_IS_PARKED) for movement in alone]
        discarded = len(of_users) - len(wanted) - len(alone)

        distinct: dict[str, _Movement] = {}
        repeated = [m for m in wanted if distinct.setdefault(m.effect.effect_key, m) is not m]
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
        known = len(repeated) - len(conflicts)
        paid_at = (
            m.timestamp for key, m in distinct.items() if key in entered and m.effect.kind == "success"
        )
        tally = Tally(credited=len(entered), known=known, without_effect=discarded)
        tally.oldest_paid_at = min(paid_at, default=None)
        return tally, parked


def _earlier(one: str | None, other: str | None) -> str | None:
    return min(filter(None, (one, other)), default=None)


def _decided(
    cursor: Cursor, movements: Sequence[_Movement], parked_now: Set[str]
) -> tuple[list[_Movement], list[_Movement]]:
    """Those to enter, and the reversals whose credit is parked or discarded; the discarded are in neither.

    The users are locked, so that an operator's replay of the credit comes wholly before or after this.
    """
    credit_of = {
        movement.effect.effect_key: success_key(movement.effect.request_id)
        for movement in movements
        if movement.effect.kind != "success"
    }
    keys = {movement.effect.effect_key for movement in movements}
    undone = ledger.parked_effects(cursor, keys | set(credit_of.values()))
    wanted = [m for m in movements if undone.get((m.effect.effect_key, m.effect.claim)) != "discarded"]
    missing = {key for key, _ in undone} | parked_now
    missing &= set(credit_of.values()) - {m.effect.effect_key for m in wanted}
    if missing:
        missing -= ledger.claims(cursor, missing).keys()
    alone = [m for m in wanted if credit_of.get(m.effect.effect_key) in missing]
    return [m for m in wanted if credit_of.get(m.effect.effect_key) not in missing], alone
