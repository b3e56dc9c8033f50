"""Refunds and disputes: what Stripe moved is stored, and emitted once its payment was emitted.

All under the lock of the payment intent: whichever of a payment and its reversal is applied first, the second
one finds it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from checkout.base.postgres import Transaction
from checkout.outbox.effects import DIRECTIONS
from checkout.payments import reversals_table
from checkout.payments.locked import Locked
from checkout.payments.outcomes import Applied, Ignored, Outcome, Parked, Waiting
from checkout.payments.payment import Payment, Status
from checkout.payments.reversal_event import Reversal, ReversalReport, Reversed, subject_of
from checkout.payments.reversals_table import StoredReversal
from checkout.payments.shares import with_shares
from checkout.payments.stripe_event import StripeEvent
from checkout.payments.stripe_object import payment_intent_of

UNPAID = "its payment has not succeeded yet"
DISCARDED = "an operator has discarded what it is about"
OTHER_CURRENCY = "it is in another currency than its payment"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is written of reversals: `reported` is inserted if it is not there; `emitted`, `held` and
    `foreign` (in another currency than their payment) become that."""

    reported: Sequence[StoredReversal] = ()
    emitted: Sequence[StoredReversal] = ()
    held: Sequence[StoredReversal] = ()
    foreign: Sequence[StoredReversal] = ()

    def write(self, tx: Transaction, payment_intent_id: str) -> None:
        for one in self.reported:
            reversals_table.insert(tx, one)
        if held := [one.reversal.effect_key for one in (*self.held, *self.foreign)]:
            reversals_table.hold(tx, held)
        if self.emitted:
            reversals_table.emit(tx, self.emitted)
            reversals_table.total(tx, payment_intent_id)


NO_CHANGES = Changes()


def decide(report: ReversalReport, locked: Locked, event_id: str | None) -> tuple[Outcome, Changes]:
    """All of what Stripe moved is stored. It is emitted if its payment has succeeded, unless an operator has
    discarded the refund or dispute, or it is in another currency."""
    held = {one.reversal.effect_key for one in locked.reversals if one.state == "held"}
    report = replace(report, objects=tuple(_first_stays(one, locked.reversals) for one in report.objects))

    def is_discarded(one: Reversed) -> bool:
        """True if nothing of it acts. If a movement is held, no other one of it acts alone: what was not
        taken is not given back."""
        return one.object_id in locked.discarded or bool(held & {*one.effect_keys})

    wanted = [one for one in report.objects if not is_discarded(one)]
    reported = [
        StoredReversal(
            movement,
            report.payment_intent_id,
            # Another refund of the payment has an event of its own, and is not discarded with this one.
            event_id if report.subject in (None, one.object_id) else None,
            "waiting" if one in wanted else "held",
        )
        for one in report.objects
        for movement in one.movements
    ]
    payment = locked.payments[0] if locked.payments else None
    paid = payment if payment is not None and payment.status is Status.PAYMENT_SUCCEEDED else None
    stored = _with(locked.reversals, reported)
    discarded = {key for one in report.objects if one not in wanted for key in one.effect_keys}
    to_hold = [one for one in stored if one.reversal.effect_key in discarded and one.state == "waiting"]
    stored = [replace(one, state="held") if one in to_hold else one for one in stored]
    changes = release(paid, stored) if paid is not None else NO_CHANGES
    changes = replace(changes, reported=reported, held=[*to_hold, *changes.held])
    about = [one for one in report.objects if report.subject in (None, one.object_id)]
    undecided = [one for one in about if one.object_id not in locked.discarded]
    emitted = {one.reversal.effect_key for one in locked.reversals if one.state == "emitted"}
    if paid is not None and any(
        movement.currency != paid.paid_currency and movement.effect_key not in emitted
        for one in undecided
        for movement in one.movements
    ):
        return Parked(OTHER_CURRENCY), changes
    if about and not any(one in wanted for one in about):
        return Ignored(DISCARDED), changes
    has_failed = payment is not None and payment.status is Status.PAYMENT_FAILED
    if paid is None and any(_waits(one, has_failed) for one in about if one in wanted):
        return Waiting(UNPAID), changes
    return Applied(request_id=paid.request_id if paid is not None else None), changes


def _waits(one: Reversed, has_failed: bool) -> bool:
    """Whether it waits for its payment. If that has failed, it does not come: Stripe cancels a refund of the
    debit, which then adds up to nothing."""
    moved = sum(DIRECTIONS[movement.kind] * movement.amount_cents for movement in one.movements)
    return bool(one.movements) and not (has_failed and moved == 0)


def _first_stays(reported: Reversed, known: Sequence[StoredReversal]) -> Reversed:
    """If a dispute settles in another currency, the movement that first stood for the dispute's amount keeps
    doing so. Stripe's times have whole seconds, so another movement of the same second can later be listed
    before it; then both would be taken back."""
    movements = {one.effect_key: one for one in reported.movements}
    for one in reported.movements:
        if one.settled is None:
            continue
        first = {
            stored.reversal.effect_key: stored.reversal
            for stored in known
            if stored.reversal.effect_key in movements.keys() - {one.effect_key}
            and _direction(stored.reversal) == _direction(one)
        }
        if first:
            amount_cents, currency = one.settled
            settled = replace(one, amount_cents=amount_cents, currency=currency, settled=None)
            movements |= first | {one.effect_key: settled}
    return replace(reported, movements=tuple(movements.values()))


def _direction(movement: Reversal) -> tuple[str | None, str, str]:
    return movement.dispute_id, movement.kind, movement.currency


def _with(known: Sequence[StoredReversal], reported: Iterable[StoredReversal]) -> list[StoredReversal]:
    """All of them, in the order in which they are emitted: first the known ones, as `reversals_table.insert`
    leaves them, and then the new ones, as they are reported."""
    new = {one.reversal.effect_key: one for one in reported}
    merged = [_merged(one, new.pop(one.reversal.effect_key, one).reversal) for one in known]
    return [*merged, *new.values()]


def _merged(known: StoredReversal, reported: Reversal) -> StoredReversal:
    moved = known.reversal if known.state == "emitted" else reported
    dispute_id = known.reversal.dispute_id or reported.dispute_id
    return replace(known, reversal=replace(moved, dispute_id=dispute_id))


def release(paid: Payment, stored: Iterable[StoredReversal]) -> Changes:
    """Emit what waits for this succeeded payment, each with its share of the credit, except what belongs to a
    refund or dispute of which a movement is held, or is in another currency: nothing of it acts alone."""
    own = [one for one in stored if one.payment_intent_id == paid.payment_intent_id]
    held = {one.reversal.object_id for one in own if one.state == "held"}
    waiting = [one for one in own if one.state == "waiting" and one.reversal.object_id not in held]
    foreign = {one.reversal.object_id for one in waiting if one.reversal.currency != paid.paid_currency}
    return Changes(
        emitted=with_shares(
            paid,
            [one for one in own if one.state == "emitted"],
            [one for one in waiting if one.reversal.object_id not in foreign],
        ),
        held=[one for one in own if one.state == "waiting" and one.reversal.object_id in held],
        foreign=[one for one in waiting if one.reversal.object_id in foreign],
    )


def discard(
    tx: Transaction,
    object_id: str,
    *,
    payment_intent_id: str | None,
    event_id: str,
    reason: str,
) -> None:
    """Nothing of this refund or dispute acts from now on, not even if other events report it. The payment
    intent is locked."""
    reversals_table.keep_decision(
        tx, object_id, payment_intent_id=payment_intent_id, event_id=event_id, reason=reason
    )
    if payment_intent_id is not None:
        reversals_table.hold_object(tx, object_id, payment_intent_id)


def discarded_because(reason: str, operator: str | None, with_event: str | None = None) -> str:
    """What is stored as the reason: `discarded by ada: a gift`."""
    who = f" by {operator}" if operator else ""
    along = f" with {with_event}" if with_event else ""
    return f"discarded{who}{along}: {reason}"


def revive(tx: Transaction, report: ReversalReport, locked: Locked, event_id: str) -> Sequence[str]:
    """Take back what was decided about the refund or dispute that the event is about, or, if it is about the
    charge, what was decided with this event: all of it waits again, to be applied. Returns which refunds and
    disputes these are."""
    brought = {one.reversal.object_id for one in locked.reversals if one.event_id == event_id}
    revived = [
        one
        for one in report.objects
        if one.object_id == report.subject
        or (
            report.subject is None
            and (locked.discarded.get(one.object_id) == event_id or one.object_id in brought)
        )
    ]
    objects = [one.object_id for one in revived]
    reversals_table.take_decisions_back(tx, objects)
    reversals_table.revive(tx, [key for one in revived for key in one.effect_keys])
    return objects


def revive_unread(tx: Transaction, event: StripeEvent) -> Sequence[str]:
    """The same for an event that must wait until Stripe shows its object. It cannot be left to the
    reconciler, whose retry takes no decision back. The payment intent is locked."""
    subject = subject_of(event.type, event.object)
    objects = [subject] if subject is not None else reversals_table.taken_up_with(tx, event.id)
    reversals_table.take_decisions_back(tx, objects)
    reversals_table.revive_objects(tx, objects, payment_intent_of(event.object))
    return objects
