"""What Stripe took back, or returned: refunds by their status, disputes by their balance transactions. Pure.

A refund acts by its status alone, not by what was seen of it before, and a dispute by each movement of money.
So two handlers that read different moments of the same object come to the same sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from checkout.base.text import identifier, positive_bigint
from checkout.outbox.effects import reversal_key
from checkout.payments.outcomes import Parked

REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
CHARGE_EVENTS = frozenset({"charge.refunded"})
DISPUTE_EVENTS = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)
HANDLED = REFUND_EVENTS | CHARGE_EVENTS | DISPUTE_EVENTS

GIVEN_BACK = ("failed", "canceled")
"""Statuses of refunds that have not reached the customer."""

_REFUND_RANK = {"pending": 1, "requires_action": 1, "succeeded": 2, "failed": 3, "canceled": 3}
_CLOSED = frozenset({"won", "lost", "prevented"})
_ABSENT: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Reversal:
    """One movement; `amount_cents` is positive, `kind` says the direction. `source_id` is the refund, or the
    balance transaction of the dispute `dispute_id`, which is None of a refund. `settled` is what it moved in
    the currency of the settlement, if `amount_cents` and `currency` are the dispute's instead."""

    kind: str
    source_id: str
    amount_cents: int
    currency: str
    dispute_id: str | None = None
    settled: tuple[int, str] | None = field(default=None, compare=False)

    @property
    def effect_key(self) -> str:
        return reversal_key(self.kind, self.source_id)

    @property
    def object_id(self) -> str:
        """The refund or dispute that moved it."""
        return self.dispute_id or self.source_id


@dataclass(frozen=True, slots=True)
class Reversed:
    """A refund or dispute (`object_id`), with all the movements that Stripe knows of it now, in their
    order."""

    object_id: str
    movements: tuple[Reversal, ...]

    @property
    def effect_keys(self) -> list[str]:
        return [movement.effect_key for movement in self.movements]


@dataclass(frozen=True, slots=True)
class ReversalReport:
    """What Stripe knows now of refunds and disputes of one payment, in the order in which they are taken in.
    `subject` is the one that the event is about; None if it is about the charge."""

    payment_intent_id: str
    objects: tuple[Reversed, ...]
    subject: str | None = None


def subject_of(event_type: str, resource: Mapping[str, Any]) -> str | None:
    """The refund or dispute that an event is about; None of an event about something else."""
    return identifier(resource.get("id")) if event_type in REFUND_EVENTS | DISPUTE_EVENTS else None


def of_refund(refund: Mapping[str, Any]) -> Reversed | Parked:
    """https://docs.stripe.com/refunds#failed-refunds. Parked if it makes no sense."""
    match refund.get("status"):
        case "pending" | "requires_action":
            kinds: tuple[str, ...] = ()
        case "succeeded":
            kinds = ("refunded",)
        case status if status in GIVEN_BACK:
            kinds = ("refunded", "refund_failed")
        case _:
            return Parked("the refund's status is unknown")
    movements = [_reversal(kind, refund, refund.get("amount")) for kind in kinds]
    return _reversed(identifier(refund.get("id")), movements)


def of_refunds(refunds: Sequence[Mapping[str, Any]], subject: str | None = None) -> list[Reversed | Parked]:
    """Without those that make no sense and are not the `subject`: their own events are parked."""
    read = [(one.get("id"), of_refund(one)) for one in in_order(refunds)]
    return [one for name, one in read if subject in (None, name) or isinstance(one, Reversed)]


def report(
    payment_intent_id: str, objects: Sequence[Reversed | Parked], subject: str | None = None
) -> ReversalReport | Parked:
    parked = next((one for one in objects if isinstance(one, Parked)), None)
    return parked or ReversalReport(
        payment_intent_id, tuple(one for one in objects if isinstance(one, Reversed)), subject
    )


def of_dispute(dispute: Mapping[str, Any]) -> Reversed | Parked:
    """One movement for each of its balance transactions: the amount that moved, without Stripe's fee. Parked
    if it makes no sense.

    They are in the currency in which Stripe settles with us. If that is not the dispute's, the first
    withdrawal took the dispute's amount, and the first reinstatement returned it, unless it is only a part.
    """
    dispute_id = identifier(dispute.get("id"))
    movements = dispute.get("balance_transactions")
    if not isinstance(movements, list):
        return Parked("the dispute has no list of balance transactions")
    for movement in movements:
        if not isinstance(movement, Mapping) or type(movement.get("amount")) is not int:
            return Parked("a balance transaction of the dispute has no amount")
    whole = {movement.get("id") for movement in settled_elsewhere(dispute)}
    reversals: list[Reversal | Parked] = []
    for movement in in_order(movements):
        if amount := movement["amount"]:
            kind = "disputed" if amount < 0 else "dispute_won"
            reversal = _reversal(kind, movement, abs(amount), dispute_id)
            if movement.get("id") in whole and isinstance(reversal, Reversal):
                reversal = _whole(reversal, dispute)
            reversals.append(reversal)
    return _reversed(dispute_id, reversals)


def in_order(resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By time and id; Stripe lists the newest first, and its times have whole seconds."""
    return sorted(resources, key=lambda one: (_created(one), str(one.get("id"))))


def settled_elsewhere(dispute: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """In another currency than the dispute's: the first withdrawal, and the first reinstatement if it returns
    the whole dispute. Of one that was refunded in part and is lost, Stripe returns that part.
    https://support.stripe.com/questions/dispute-for-full-charge-amount-after-a-partial-refund-was-issued"""
    currency = dispute.get("currency")
    listed = dispute.get("balance_transactions")
    if identifier(currency) is None or positive_bigint(dispute.get("amount")) is None:
        return []
    first: dict[bool, Mapping[str, Any]] = {}
    for movement in in_order(one for one in listed or () if isinstance(one, Mapping)):
        amount, own = movement.get("amount"), str(movement.get("currency"))
        if type(amount) is int and amount and own.lower() != str(currency).lower():
            first.setdefault(amount < 0, movement)
    if False in first and not (True in first and _returns_all(dispute, first[True], first[False])):
        del first[False]
    return list(first.values())


def _returns_all(
    dispute: Mapping[str, Any], withdrawn: Mapping[str, Any], reinstated: Mapping[str, Any]
) -> bool:
    """All of it, but for what exchange rates may have changed since the withdrawal."""
    is_comparable = reinstated.get("currency") == withdrawn.get("currency")
    return (
        is_comparable
        and dispute.get("status") != "lost"
        and reinstated["amount"] * 5 >= -withdrawn["amount"] * 4
    )


def _whole(reversal: Reversal, dispute: Mapping[str, Any]) -> Reversal:
    return replace(
        reversal,
        amount_cents=dispute["amount"],
        currency=dispute["currency"].lower(),
        settled=(reversal.amount_cents, reversal.currency),
    )


def _created(resource: Mapping[str, Any]) -> int:
    created = resource.get("created")
    return created if type(created) is int else 0


def refund_is_behind(answer: Mapping[str, Any], reported: Mapping[str, Any]) -> bool:
    """True if the refund that Stripe answers is older than the one that its event reports."""
    return _rank(_REFUND_RANK, answer) < _rank(_REFUND_RANK, reported)


def dispute_is_behind(answer: Mapping[str, Any], reported: Mapping[str, Any]) -> bool:
    """True if the dispute that Stripe answers is older than the one that its event reports: a movement of
    money is missing, or it is not closed yet. One that has moved money since then was reopened."""
    before, now = _movement_ids(reported), _movement_ids(answer)
    is_still_open = _is_closed(reported) and not _is_closed(answer)
    return bool(before - now) or (is_still_open and before == now)


def refunds_are_behind(answer: Sequence[Mapping[str, Any]], charge: Mapping[str, Any]) -> bool:
    """True if the refunds that Stripe lists are older than the charge that its event reports: one that the
    charge names (API versions before 2022-11-15) is absent or older, or less is refunded."""
    known = {identifier(refund.get("id")): refund for refund in answer}
    listed = charge.get("refunds")
    named = listed.get("data") if isinstance(listed, Mapping) else None
    for reported in named if isinstance(named, list) else []:
        if not isinstance(reported, Mapping):
            continue
        if refund_is_behind(known.get(identifier(reported.get("id")), _ABSENT), reported):
            return True
    amounts = [refund.get("amount") for refund in answer]
    refunded = positive_bigint(charge.get("amount_refunded")) or 0
    return refunded > sum(amount for amount in amounts if type(amount) is int)


def _rank(ranks: Mapping[str, int], resource: Mapping[str, Any]) -> int:
    return ranks.get(str(resource.get("status")), 0)


def _is_closed(dispute: Mapping[str, Any]) -> bool:
    return str(dispute.get("status")) in _CLOSED


def _movement_ids(dispute: Mapping[str, Any]) -> set[str]:
    movements = dispute.get("balance_transactions")
    listed = movements if isinstance(movements, list) else []
    return {str(movement.get("id")) for movement in listed if isinstance(movement, Mapping)}


def _reversed(object_id: str | None, movements: Sequence[Reversal | Parked]) -> Reversed | Parked:
    if object_id is None:
        return Parked("the object has no usable id")
    parked = next((one for one in movements if isinstance(one, Parked)), None)
    return parked or Reversed(object_id, tuple(one for one in movements if isinstance(one, Reversal)))


def _reversal(
    kind: str, source: Mapping[str, Any], amount: object, dispute_id: str | None = None
) -> Reversal | Parked:
    source_id, amount_cents = identifier(source.get("id")), positive_bigint(amount)
    currency = identifier(source.get("currency"))
    if source_id is None or amount_cents is None or currency is None:
        return Parked("id, amount or currency of the reversal cannot be used")
    return Reversal(kind, source_id, amount_cents, currency.lower(), dispute_id)
