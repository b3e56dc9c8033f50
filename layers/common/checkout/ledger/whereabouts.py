"""Says if a movement of money is in the ledger, parked, or nowhere: the one answer for the API, for what is
emitted again, and for `verify`."""

from collections.abc import Collection, Mapping
from enum import Enum

from checkout.base.postgres import Transaction
from checkout.base.user_ids import UserIds
from checkout.ledger import whereabouts_table as whereabouts
from checkout.ledger.whereabouts_table import Decision, ParkedMovement
from checkout.outbox.effects import Effect, Recorded, are_one
from checkout.outbox.fields import Unprocessable
from checkout.outbox.finished_event import decoded


class Place(Enum):
    ENTERED = "in the ledger, with the same user, amount and currency"
    ENTERED_OTHERWISE = "in the ledger with another user, amount or currency"
    PARKED = "parked, and nobody has decided yet"
    DISCARDED = "parked, and never to be applied"
    NOWHERE = "neither in the ledger nor parked"


def find(tx: Transaction, effects: Collection[Effect]) -> Mapping[str, Place]:
    """The place of each effect, by effect key. The transaction is the application database's.

    What is entered with another user, amount or currency, and parked with its own, counts as parked.
    """
    places = in_ledger(tx, effects)
    missing = [effect for effect in effects if places[effect.effect_key] is not Place.ENTERED]
    return {**places, **_parked(tx, missing)}


def in_ledger(tx: Transaction, effects: Collection[Effect]) -> Mapping[str, Place]:
    """The same without parked_events: what is parked is nowhere."""
    if not effects:
        return {}
    entered = _by_key_and_intent(whereabouts.entries(tx, *_names(effects)))
    return {effect.effect_key: _place(effect, entered) for effect in effects}


def _place(effect: Effect, entered: Mapping[str, set[Recorded]]) -> Place:
    claims = {entry.claim for entry in _named(effect, entered)}
    if effect.claim in claims:
        return Place.ENTERED
    return Place.ENTERED_OTHERWISE if claims else Place.NOWHERE


def _named(effect: Effect, recorded: Mapping[str, set[Recorded]]) -> set[Recorded]:
    """Those that are the same movement, even with another user, amount or currency."""
    candidates = {*recorded.get(effect.effect_key, ()), *recorded.get(effect.payment_intent_id or "", ())}
    return {one for one in candidates if are_one(one, effect)}


def _by_key_and_intent(entries: Collection[Recorded]) -> dict[str, set[Recorded]]:
    found: dict[str, set[Recorded]] = {}
    for entry in entries:
        found.setdefault(entry.effect_key, set()).add(entry)
        if entry.payment_intent_id is not None:
            found.setdefault(entry.payment_intent_id, set()).add(entry)
    return found


def _parked(tx: Transaction, effects: Collection[Effect]) -> dict[str, Place]:
    """The places of those that are parked. If one was parked several times, any discard counts."""
    if not effects:
        return {}
    records = [
        (_recorded(record, tx.user_ids), record.decision)
        for record in whereabouts.parked(tx, *_names(effects))
    ]
    by_name = _by_key_and_intent([recorded for recorded, _ in records])
    decisions: dict[Recorded, set[Decision]] = {}
    for recorded, decision in records:
        decisions.setdefault(recorded, set()).add(decision)
    places: dict[str, Place] = {}
    for effect in effects:
        decided = {
            decision
            for recorded in _named(effect, by_name)
            if recorded.claim == effect.claim
            for decision in decisions[recorded]
        }
        if decided:
            places[effect.effect_key] = Place.DISCARDED if "discarded" in decided else Place.PARKED
    return places


def _names(effects: Collection[Effect]) -> tuple[set[str], set[str]]:
    """Their effect keys, and the payment intents of the credits among them."""
    return {effect.effect_key for effect in effects}, {
        effect.payment_intent_id
        for effect in effects
        if effect.kind == "success" and effect.payment_intent_id is not None
    }


def _recorded(record: ParkedMovement, user_ids: UserIds) -> Recorded:
    """Its payment intent is unknown if only the bytes had it and they were erased."""
    intent = record.payment_intent_id
    if intent is None and record.value:
        try:
            intent = decoded(record.value, record.claim[2], user_ids).payment_intent_id
        except Unprocessable:
            intent = None
    return Recorded(record.effect_key, record.claim, intent)
