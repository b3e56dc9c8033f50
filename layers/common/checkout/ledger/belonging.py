"""Which movements belong together: a reversal and its credit, what is given back and what was taken. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from checkout.outbox.effects import Effect, are_one, reversal_key

TAKING_OF = {"refund_failed": "refunded", "dispute_won": "disputed"}
"""The kind that gives back → the kind that had taken."""

_OF_REFUND = ("refunded", "refund_failed")

STAGE = {"success": 0, "refunded": 1, "disputed": 1, "refund_failed": 2, "dispute_won": 2}
"""By kind: a movement can only depend on movements of a lower stage."""


def rivals(effects: Iterable[Effect]) -> list[Effect]:
    """Effects that share a key or payment intent with another one in the list and contradict it."""
    given = list(effects)
    names = [name for effect in given for name in effect.names]
    if len(set(names)) == len(names):
        return []  # As nearly always.
    first: dict[str, Effect] = {}
    found = []
    for effect in given:
        for name in effect.names if effect.kind == "success" else (effect.effect_key,):
            other = first.setdefault(name, effect)
            if other is not effect and (other.claim != effect.claim or not are_one(other, effect)):
                found += [other, effect]
    return found


def are_of_one_payment(one: Effect, other: Effect) -> bool:
    """A payment is its payment intent. The request_id decides only if one of them names no payment intent:
    after a restore, two payments of one request can have each other's request_id."""
    if one.payment_intent_id and other.payment_intent_id:
        return one.payment_intent_id == other.payment_intent_id
    return one.request_id == other.request_id != ""


def are_of_one_reversal(one: Effect, other: Effect) -> bool:
    """True if both are about the same refund, or both about the same dispute.

    If one of the two does not name its dispute, every dispute of the payment is meant.
    """
    if STAGE[one.kind] == 0 or TAKING_OF.get(one.kind, one.kind) != TAKING_OF.get(other.kind, other.kind):
        return False
    if one.kind in _OF_REFUND:
        return one.source_id == other.source_id
    if one.dispute_id and other.dispute_id:
        return one.dispute_id == other.dispute_id
    return are_of_one_payment(one, other)


def is_taking_of(taking: Effect, giving: Effect) -> bool:
    """True if `giving` returns what `taking` took from the same user. A dispute can have several of each."""
    return (
        taking.kind == TAKING_OF.get(giving.kind)
        and taking.user_id == giving.user_id
        and are_of_one_reversal(taking, giving)
    )


def taking_key(refund_failed: Effect) -> str:
    return reversal_key("refunded", refund_failed.source_id or "")


class EffectIndex:
    """Effects, each found by its key and by its payment in constant time."""

    def __init__(self, effects: Iterable[Effect] = ()) -> None:
        self._by_key: dict[str, list[Effect]] = defaultdict(list)
        self._by_intent: dict[str, list[Effect]] = defaultdict(list)
        self._by_request: dict[str, list[Effect]] = defaultdict(list)
        self._unsorted = list(effects)

    def add(self, effect: Effect) -> None:
        # Sorted only when something is looked for: in a batch of mere credits nothing ever is.
        self._unsorted.append(effect)

    def _sort(self) -> None:
        for effect in self._unsorted:
            self._by_key[effect.effect_key].append(effect)
            self._by_request[effect.request_id].append(effect)
            if effect.payment_intent_id:
                self._by_intent[effect.payment_intent_id].append(effect)
        self._unsorted.clear()

    def under(self, effect_key: str) -> Sequence[Effect]:
        self._sort()
        return self._by_key.get(effect_key, ())

    @property
    def names(self) -> set[str]:
        """Their effect keys and payment intents."""
        self._sort()
        return {*self._by_key, *self._by_intent}

    def known(self, effect: Effect) -> Effect | None:
        """The same movement with the same user, amount and currency."""
        return next((one for one in self._same(effect) if one.claim == effect.claim), None)

    def contradicts(self, effect: Effect) -> bool:
        """True if one of these has the movement, or its key, and is not the same."""
        has_either = any(True for _ in self._same(effect)) or bool(self.under(effect.effect_key))
        return has_either and self.known(effect) is None

    def _same(self, effect: Effect) -> Iterator[Effect]:
        of_key = self.under(effect.effect_key)
        of_intent = self._by_intent.get(effect.payment_intent_id or "", ())
        return (one for one in chain(of_key, of_intent) if are_one(one, effect))

    def credits_of(self, effect: Effect) -> Iterator[Effect]:
        """Credits of the payment that `effect` is about, to any user."""
        return (one for one in self._of_payment(effect) if one.kind == "success")

    def takings_of(self, giving: Effect) -> Iterator[Effect]:
        """What took from the same user what `giving` returns."""
        by_refund = giving.kind == "refund_failed"
        candidates = self.under(taking_key(giving)) if by_refund else self._of_payment(giving)
        return (one for one in candidates if is_taking_of(one, giving))

    def givings_of(self, taking: Effect) -> Iterator[Effect]:
        """What returns to the same user what `taking` takes."""
        return (one for one in self._of_payment(taking) if is_taking_of(taking, one))

    def returns_with(self, giving: Effect) -> Iterator[Effect]:
        """What else the same refund or dispute gave back to the same user."""
        return (
            one
            for one in self._of_payment(giving)
            if one.kind == giving.kind
            and one.user_id == giving.user_id
            and one.effect_key != giving.effect_key
            and are_of_one_reversal(one, giving)
        )

    def _of_payment(self, effect: Effect) -> Iterator[Effect]:
        self._sort()
        if effect.payment_intent_id:
            yield from self._by_intent.get(effect.payment_intent_id, ())
        for other in self._by_request.get(effect.request_id, ()):
            if not (other.payment_intent_id and effect.payment_intent_id):
                yield other
