"""Payments and reversals against ledger entries. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from checkout.base.user_ids import UserId
from checkout.outbox.effects import Effect, are_one, effect_of, is_credit


class Seen(NamedTuple):
    """A movement, as one of the databases has it; `amount_cents` is signed. `is_settled`: it is too old
    to be still on its way."""

    effect_key: str
    user_id: UserId
    amount_cents: int
    currency: str
    is_settled: bool
    request_id: str | None
    payment_intent_id: str | None

    @property
    def claim(self) -> tuple[UserId, int, str]:
        return self.user_id, self.amount_cents, self.currency

    @property
    def effect(self) -> Effect:
        return effect_of(
            self.effect_key,
            self.claim,
            request_id=self.request_id,
            payment_intent_id=self.payment_intent_id,
        )


@dataclass(slots=True)
class Comparison:
    repeated: dict[str, int] = field(default_factory=dict)
    """How many entries have one effect key, if it is more than one."""

    absent: list[Seen] = field(default_factory=list)
    """Payments and reversals without an entry."""

    unexplained: list[Seen] = field(default_factory=list)
    """Entries without a payment or reversal."""

    differing: list[tuple[Seen, Seen]] = field(default_factory=list)
    """An entry, and what it should be: its user, amount or currency differs."""


def compare(entered: Sequence[Seen], paid: Sequence[Seen]) -> Comparison:
    """Match each movement with its entry; one that agrees is preferred to one that does not."""
    result = Comparison()
    result.repeated = {key: n for key, n in Counter(one.effect_key for one in entered).items() if n > 1}
    by_key = {entry.effect_key: entry for entry in entered}
    by_intent = {
        entry.payment_intent_id: entry
        for entry in entered
        if is_credit(entry.effect_key) and entry.payment_intent_id is not None
    }
    left = dict(by_key)
    unmatched: list[Seen] = []
    for movement in paid:
        entry = _first(_candidates(movement, by_key, by_intent), left, movement.claim)
        if entry is None:
            unmatched.append(movement)
        else:
            del left[entry.effect_key]
    for movement in unmatched:
        entry = _first(_candidates(movement, by_key, by_intent), left)
        if entry is None:
            result.absent.append(movement)
        else:
            del left[entry.effect_key]
            result.differing.append((entry, movement))
    result.unexplained = list(left.values())
    return result


def _candidates(movement: Seen, by_key: dict[str, Seen], by_intent: dict[str, Seen]) -> list[Seen]:
    of_intent = by_intent.get(movement.payment_intent_id or "") if is_credit(movement.effect_key) else None
    return [
        entry
        for entry in (of_intent, by_key.get(movement.effect_key))
        if entry is not None and are_one(entry, movement)
    ]


def _first(
    candidates: Iterable[Seen], left: dict[str, Seen], claim: tuple[UserId, int, str] | None = None
) -> Seen | None:
    return next(
        (
            entry
            for entry in candidates
            if entry.effect_key in left and (claim is None or entry.claim == claim)
        ),
        None,
    )
