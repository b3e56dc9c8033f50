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

CLOSED = frozenset({"won", "lost", "prevented"})
"""Statuses of disputes that are decided. One that moves money after that was reopened."""

FEES = frozenset({"fee", "network_cost", "platform_earning", "platform_earning_refund", "tax"})
"""Reporting categories of balance transactions that are between Stripe and us, and not the user's:
https://docs.stripe.com/reports/reporting-categories"""


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
    """One movement for each of its balance transactions: the amount that moved, without Stripe's fee, which
    can also be a balance transaction of its own. Parked if it makes no sense.

    They are in the currency in which Stripe settles with us. If that is not the dispute's, the first
    withdrawal took the dispute's amount, and the first reinstatement returned it, unless it is only a part;
    it is left out while only the dispute's end can say that.
    """
    dispute_id = identifier(dispute.get("id"))
    listed = dispute.get("balance_transactions")
    if not isinstance(listed, list):
        return Parked("the dispute has no list of balance transactions")
    movements = [one for one in listed if not _is_fee(one)]
    for movement in movements:
        if not isinstance(movement, Mapping) or type(movement.get("amount")) is not int:
            return Parked("a balance transaction of the dispute has no amount")
    whole = {movement.get("id") for movement in settled_elsewhere(dispute)}
    reversals: list[Reversal | Parked] = []
    for movement in in_order(movements):
        amount = movement["amount"]
        if amount and not is_undecided(dispute, movement):
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
    moved = _elsewhere(dispute)
    withdrawn, reinstated = _first(moved, -1), _first(moved, 1)
    returns_all = _may_return_all(withdrawn, reinstated) and _was_won(dispute, moved)
    return [one for one in (withdrawn, reinstated if returns_all else None) if one is not None]


def is_undecided(dispute: Mapping[str, Any], movement: Mapping[str, Any]) -> bool:
    """True of a first reinstatement, in another currency, that may be all of the dispute or what was refunded
    before: that is known once the dispute is won or lost."""
    moved = _elsewhere(dispute)
    withdrawn, reinstated = _first(moved, -1), _first(moved, 1)
    if reinstated is None or movement.get("id") != reinstated.get("id") or dispute.get("status") in CLOSED:
        return False
    return _may_return_all(withdrawn, reinstated) and not _was_won(dispute, moved)


def _elsewhere(dispute: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What moved in another currency than the dispute's, in order."""
    currency, listed = dispute.get("currency"), dispute.get("balance_transactions")
    if identifier(currency) is None or positive_bigint(dispute.get("amount")) is None:
        return []
    moved = in_order(one for one in listed or () if isinstance(one, Mapping) and not _is_fee(one))
    return [
        one
        for one in moved
        if type(one.get("amount")) is int
        and one["amount"]
        and str(one.get("currency")).lower() != str(currency).lower()
    ]


def _first(moved: Sequence[Mapping[str, Any]], sign: int) -> Mapping[str, Any] | None:
    return next((one for one in moved if one["amount"] * sign > 0), None)


def _is_fee(movement: object) -> bool:
    return isinstance(movement, Mapping) and identifier(movement.get("reporting_category")) in FEES


def _may_return_all(withdrawn: Mapping[str, Any] | None, reinstated: Mapping[str, Any] | None) -> bool:
    """True if it is all, but for what exchange rates may have changed since the withdrawal."""
    if withdrawn is None or reinstated is None:
        return False
    is_comparable = reinstated.get("currency") == withdrawn.get("currency")
    return is_comparable and reinstated["amount"] * 5 >= -withdrawn["amount"] * 4


def _was_won(dispute: Mapping[str, Any], moved: Sequence[Mapping[str, Any]]) -> bool:
    """Also if what it gave back was withdrawn again."""
    is_reopened = [one["amount"] < 0 for one in moved[:3]] == [True, False, True]
    return dispute.get("status") == "won" or is_reopened


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
