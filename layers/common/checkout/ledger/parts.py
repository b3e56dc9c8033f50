"""Divide a group of movements that failed together. Pure."""

from collections.abc import Sequence
from itertools import chain

from checkout.ledger.belonging import STAGE
from checkout.ledger.decision import Movement, in_order


def parts(movements: Sequence[Movement], most: int) -> list[list[Movement]]:
    """Divide them into at most `most` parts: by user; those of one user by payment; those of one payment by
    refund or dispute; otherwise by record. They are `in_order`, and so are the parts."""
    for belongs in (_user, _payment, _thing, _record):
        together: dict[object, list[Movement]] = {}
        for movement in movements:
            together.setdefault(belongs(movement), []).append(movement)
        if len(together) > 1:
            break
    groups = list(together.values())
    size = -(-len(groups) // most)
    chosen = (groups[start : start + size] for start in range(0, len(groups), size))
    return [in_order(chain.from_iterable(part)) for part in chosen]


def _user(movement: Movement) -> object:
    return movement.effect.user_id


def _payment(movement: Movement) -> object:
    return movement.effect.payment_intent_id or movement.effect.request_id


def _thing(movement: Movement) -> object:
    effect = movement.effect
    return effect.source_id if effect.kind in ("refunded", "refund_failed") else STAGE[effect.kind] > 0


def _record(movement: Movement) -> object:
    return id(movement)
