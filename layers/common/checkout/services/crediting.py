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

    @property
    def credit_key(self) -> str:
        """Of the credit of the same payment."""
        return success_key(self.effect.request_id)

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
        # The users are locked, so that an operator's replay or discard comes wholly before or after this.
        undone = ledger.parked_effects(
            cursor, {m.effect.effect_key for m in of_users} | {m.credit_key for m in of_users}
        )
        wanted = [m for m in of_users if undone.get((m.effect.effect_key, m.effect.claim)) != "discarded"]
        tally, conflicts = _entered(cursor, [m for m in wanted if m.effect.kind == "success"])
        tally.without_effect = len(of_users) - len(wanted)
        parked += [movement.parked(CONFLICT) for movement in conflicts]

        # After the credits: only now is it certain which of them are in the ledger.
        undone_now = {key for key, _ in undone} | {one.effect.effect_key for one in parked if one.effect}
        reversals = [m for m in wanted if m.effect.kind != "success"]
        alone = _alone(cursor, [m for m in reversals if m.credit_key in undone_now])
        parked += [movement.parked(CREDIT_IS_PARKED) for movement in alone]
        of_reversals, conflicts = _entered(cursor, [m for m in reversals if m not in alone])
        tally.add(of_reversals)
        parked += [movement.parked(CONFLICT) for movement in conflicts]
        return tally, parked


def _entered(cursor: Cursor, movements: Sequence[_Movement]) -> tuple[Tally, list[_Movement]]:
    """Enter what the ledger does not have; returns with the tally what it has with another claim."""
    if not movements:
        return Tally(), []
    distinct: dict[str, _Movement] = {}
    repeated = [m for m in movements if distinct.setdefault(m.effect.effect_key, m) is not m]
    entered = ledger.credit(cursor, [(m.effect, m.coordinates) for m in distinct.values()])
    repeated += [movement for key, movement in distinct.items() if key not in entered]
    # Read in a statement of its own: an entry committed while ours waited is invisible to the insert.
    on_record = ledger.claims(cursor, {m.effect.effect_key for m in repeated}) if repeated else {}
    conflicts = [m for m in repeated if on_record.get(m.effect.effect_key) != m.effect.claim]
    paid_at = (m.timestamp for key, m in distinct.items() if key in entered and m.effect.kind == "success")
    tally = Tally(credited=len(entered), known=len(repeated) - len(conflicts))
    tally.oldest_paid_at = min(paid_at, default=None)
    return tally, conflicts


def _alone(cursor: Cursor, reversals: Sequence[_Movement]) -> Set[_Movement]:
    """Those of which neither they nor the credit of their user are in the ledger."""
    if not reversals:
        return frozenset()
    on_record = ledger.claims(
        cursor, {m.effect.effect_key for m in reversals} | {m.credit_key for m in reversals}
    )
    credited_users = {key: user_id for key, (user_id, _, _) in on_record.items()}
    return {
        m
        for m in reversals
        if on_record.get(m.effect.effect_key) != m.effect.claim
        and credited_users.get(m.credit_key) != m.effect.user_id
    }


def _earlier(one: str | None, other: str | None) -> str | None:
    return min(filter(None, (one, other)), default=None)
