"""Decide which movements of a batch are entered, and which are not. Pure.

A reversal is decided together with its credit, and what is given back together with what was taken: if one is
parked or discarded, so is what depends on it. If what is given back was discarded before anything was taken,
nothing is taken either: the decision is about both.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from msgspec import Struct

from checkout.ledger.belonging import STAGE, TAKING_OF, EffectIndex
from checkout.outbox.effects import Effect
from checkout.outbox.record import NO_PARTITION, Record

CONFLICT = "the ledger has this effect with another user, amount or currency, or for another payment"
CREDIT_IS_PARKED = "the credit that it reverses is parked or discarded, so it is decided together with that"
CREDIT_IS_DISCARDED = "the credit that it reverses is discarded"
CREDIT_IS_ANOTHERS = "the ledger has the credit that it reverses with another user"
NOT_TAKEN = "what it gives back has not been taken yet; it is entered together with that"
TAKING_IS_PARKED = "what it gives back is parked or discarded, so it is decided together with that"
TAKING_IS_DISCARDED = "what it gives back is discarded, so it was never taken"
GIVING_IS_DISCARDED = "what gives it back is discarded, so it is not taken either"


class Movement(Struct, frozen=True, gc=False):
    """A record, and what it asks for."""

    effect: Effect
    record: Record
    timestamp: str
    rejection: str | None = None
    """Why it can never be entered, if its record alone says so."""
    parked_id: int | None = None
    """The id of the parked record it comes from; None if it comes from the batch."""


@dataclass(frozen=True, slots=True)
class Unapplied:
    """A record that was parked and not replayed since."""

    id: int
    effect: Effect
    record: Record
    is_discarded: bool
    is_refused: bool
    """The database refused it, and may again."""


@dataclass(slots=True)
class Decision:
    enter: list[Movement] = field(default_factory=list)
    """Each effect once."""
    twins: list[tuple[Movement, Movement]] = field(default_factory=list)
    """A movement, and the one in `enter` that asks for the same."""
    known: list[Movement] = field(default_factory=list)
    park: list[tuple[Movement, str]] = field(default_factory=list)
    discard: list[tuple[Movement, str]] = field(default_factory=list)
    still_parked: list[Movement] = field(default_factory=list)
    """The same records as the database refused before, or what a person is to decide: not tried again."""
    discarded_before: list[Movement] = field(default_factory=list)


def in_order(movements: Iterable[Movement]) -> list[Movement]:
    """Each movement after those that it depends on; otherwise as they came."""
    return sorted(movements, key=lambda movement: STAGE[movement.effect.kind])


def taken_along(
    movements: Sequence[Movement], unapplied: Collection[Unapplied], entered: EffectIndex
) -> list[Unapplied]:
    """Parked reversals that can be entered now, since what they reverse or give back is in this batch."""
    arriving = EffectIndex(
        movement.effect
        for movement in movements
        if movement.rejection is None and entered.known(movement.effect) is None
    )
    chosen = []
    for parked in sorted(unapplied, key=lambda one: (STAGE[one.effect.kind], one.id)):
        effect = parked.effect
        if parked.is_discarded or entered.known(effect) is not None:
            continue
        depends_on = [*arriving.credits_of(effect), *arriving.takings_of(effect)]
        if effect.kind != "success" and any(one.user_id == effect.user_id for one in depends_on):
            chosen.append(parked)
            arriving.add(effect)
    return chosen


def decide(movements: Sequence[Movement], unapplied: Collection[Unapplied], entered: EffectIndex) -> Decision:
    """`unapplied` are the parked records of the same payments, `entered` what the ledger has of them.

    `entered` may omit credits that have no rival and no parked record: if the ledger has one, the INSERT
    skips it.
    """
    deciding = _Deciding(unapplied, entered)
    for movement in in_order(movements):
        deciding.add(movement)
    return deciding.decision


class _Deciding:
    """Decides about one movement after the other, knowing what was decided about those before."""

    def __init__(self, unapplied: Collection[Unapplied], entered: EffectIndex) -> None:
        self.decision = Decision()
        self._entered = entered
        self._coming = EffectIndex()
        # A record of what was entered after all stays parked until an operator settles it.
        left = [one for one in unapplied if entered.known(one.effect) is None]
        self._open = EffectIndex(one.effect for one in left if not one.is_discarded)
        self._discarded = EffectIndex(one.effect for one in left if one.is_discarded)
        self._refused = {one.record for one in left if one.is_refused and not one.is_discarded}
        self._to_decide = EffectIndex(
            one.effect for one in left if one.record.partition == NO_PARTITION and not one.is_discarded
        )
        """What a search after a restore has parked for a person: Kafka's own record decides nothing."""
        self._names = {name for one in left for name in one.effect.names} | entered.names
        """Effect keys and payment intents of all that is known."""

    def add(self, movement: Movement) -> None:
        effect = movement.effect
        names = effect.names
        is_new = self._names.isdisjoint(names)
        self._names.update(names)
        if is_new and effect.kind == "success" and movement.rejection is None:
            # Nearly all: of a credit of which nothing is known no other question arises.
            self._enter(movement)
        elif self._discarded.known(effect) is not None:
            self.decision.discarded_before.append(movement)
        elif movement.parked_id is None and (
            movement.record in self._refused or self._to_decide.known(effect) is not None
        ):
            self.decision.still_parked.append(movement)
            self._open.add(effect)
        elif self._entered.known(effect) is not None:
            self.decision.known.append(movement)
        elif (twin := self._coming.known(effect)) is not None:
            first = next(one for one in self.decision.enter if one.effect is twin)
            self.decision.twins.append((movement, first))
        elif (reason := self._discarded_with(effect)) is not None:
            self.decision.discard.append((movement, reason))
            self._discarded.add(effect)
        elif (
            reason := movement.rejection or self._contradicted(effect) or self._parked_with(effect)
        ) is not None:
            self.decision.park.append((movement, reason))
            self._open.add(effect)
        else:
            self._enter(movement)

    def _enter(self, movement: Movement) -> None:
        self.decision.enter.append(movement)
        self._coming.add(movement.effect)

    def _contradicted(self, effect: Effect) -> str | None:
        return CONFLICT if self._entered.contradicts(effect) or self._coming.contradicts(effect) else None

    def _discarded_with(self, effect: Effect) -> str | None:
        if self._lacks_credit(effect):
            is_open = any(True for _ in self._open.credits_of(effect))
            own = any(one.user_id == effect.user_id for one in self._discarded.credits_of(effect))
            return CREDIT_IS_DISCARDED if own and not is_open else None
        if effect.kind not in TAKING_OF:
            return GIVING_IS_DISCARDED if self._is_given_up(effect) else None
        is_open = any(True for _ in self._missing(self._open, effect))
        is_discarded = any(True for _ in self._missing(self._discarded, effect))
        return TAKING_IS_DISCARDED if is_discarded and not is_open and not self._is_taken(effect) else None

    def _parked_with(self, effect: Effect) -> str | None:
        if self._lacks_credit(effect):
            return CREDIT_IS_PARKED if self._has_unapplied_credit(effect) else CREDIT_IS_ANOTHERS
        if effect.kind not in TAKING_OF or self._is_taken(effect):
            return None
        if any(True for _ in self._missing(self._open, effect)):
            return TAKING_IS_PARKED
        # A share of the credit is rounded: what took nothing has no entry, and can give 1 back.
        return None if self._covers((self._entered, self._coming), [effect], rounding=1) else NOT_TAKEN

    def _is_taken(self, giving: Effect) -> bool:
        """True if what was entered of its refund or dispute has taken what `giving` gives back."""
        return self._covers((self._entered, self._coming), [giving])

    def _is_given_up(self, taking: Effect) -> bool:
        """True if an operator has discarded what gives it back, before anything was taken: what takes it must
        not be entered alone."""
        given_up = list(self._discarded.givings_of(taking))
        return bool(given_up) and not self._covers((self._entered, self._coming, self._discarded), given_up)

    def _covers(self, done: Collection[EffectIndex], givings: Sequence[Effect], rounding: int = 0) -> bool:
        """True if `done` took enough for `givings`, all of one refund or dispute, and for the returns that it
        already has."""
        one = givings[0]
        taken = chain.from_iterable(movements.takings_of(one) for movements in done)
        given = chain.from_iterable(movements.returns_with(one) for movements in done)
        return _is_covered(taken, [*given, *givings], rounding)

    def _lacks_credit(self, effect: Effect) -> bool:
        """True for a reversal whose credit is parked, discarded or another user's, and not entered. If no
        credit was ever seen, it is still on its way, and the reversal is entered."""
        if effect.kind == "success":
            return False
        done = [*self._entered.credits_of(effect), *self._coming.credits_of(effect)]
        is_done = any(one.user_id == effect.user_id for one in done)
        return not is_done and (bool(done) or self._has_unapplied_credit(effect))

    def _has_unapplied_credit(self, effect: Effect) -> bool:
        return any(True for unapplied in (self._open, self._discarded) for _ in unapplied.credits_of(effect))

    def _missing(self, unapplied: EffectIndex, giving: Effect) -> Iterator[Effect]:
        """What `giving` gives back and was not taken."""
        done = (self._entered, self._coming)
        return (one for one in unapplied.takings_of(giving) if not any(d.under(one.effect_key) for d in done))


def _is_covered(taken: Iterable[Effect], given: Iterable[Effect], rounding: int) -> bool:
    """True if it was taken as often as it is given back, or as much, but for the rounding of each return: a
    dispute can return its money in parts."""
    takings = {one.effect_key: one.amount_cents for one in taken}
    returns = {one.effect_key: one.amount_cents for one in given}
    most = -sum(takings.values()) + rounding * len(returns)
    return len(takings) >= len(returns) or most >= sum(returns.values())
