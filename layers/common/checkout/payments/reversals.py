"""Refunds and disputes: store what Stripe moved, and emit it once its payment was emitted.

All in the caller's transaction, under the lock of the payment intent: whichever of a payment and its reversal
is applied first, the second one finds it.
"""

from collections.abc import Collection

from checkout.base import telemetry
from checkout.base.postgres import Transaction
from checkout.outbox.delivery import enqueue
from checkout.outbox.finished_event import CheckoutFinishedEvent, iso_utc
from checkout.outbox.table import Message
from checkout.payments import discarded_reversals, inbox
from checkout.payments import reversals_table as reversals
from checkout.payments import table as payments_table
from checkout.payments.payment import Payment, Status
from checkout.payments.reversal_event import ReversalReport, Reversed
from checkout.payments.reversals_table import StoredReversal
from checkout.payments.verdicts import Held, Ignored, Waiting

UNPAID = "its payment has not succeeded yet"
DROPPED = "an operator has discarded what it is about"
OTHER_CURRENCY = "it is in another currency than its payment"


def apply(
    tx: Transaction, report: ReversalReport, event_id: str | None
) -> tuple[Payment | None, list[Message]]:
    """Store the movements, and emit them if their payment has succeeded.

    Returns that payment's row, if it has, and what is to be published. Raises Waiting if they wait for the
    payment, Held if they are in another currency, and Ignored if an operator has discarded all of it; what
    was stored stays so.
    """
    discarded = discarded_reversals.among(tx, [one.object_id for one in report.objects])
    wanted = [one for one in report.objects if not _is_dropped(tx, one, discarded)]
    for one in report.objects:
        state = "waiting" if one in wanted else "held"
        for movement in one.movements:
            reversals.insert(tx, movement, report.payment_intent_id, event_id, state)
        if state == "held":
            reversals.hold(tx, one.effect_keys)
    row = payments_table.lock_payment(tx, report.payment_intent_id)
    paid = row if row is not None and row.status is Status.PAYMENT_SUCCEEDED else None
    messages = release(tx, paid) if paid is not None else []
    if paid is not None and _is_any_foreign(report, discarded, paid):
        raise Held(OTHER_CURRENCY)
    if report.objects and not wanted:
        raise Ignored(DROPPED)
    if paid is None and any(one.movements for one in wanted):
        raise Waiting(UNPAID)
    return paid, messages


def _is_dropped(tx: Transaction, one: Reversed, discarded: Collection[str]) -> bool:
    """True if nothing of it acts. If a movement is held, no other one of it acts alone: what was not taken is
    not given back."""
    return one.object_id in discarded or reversals.any_held(tx, one.effect_keys)


def _is_any_foreign(report: ReversalReport, discarded: Collection[str], row: Payment) -> bool:
    return any(
        movement.currency != row.paid_currency
        for one in report.objects
        if one.object_id not in discarded
        for movement in one.movements
    )


def discard(
    tx: Transaction,
    object_id: str,
    *,
    payment_intent_id: str | None,
    event_id: str,
    reason: str,
) -> None:
    """Nothing of this refund or dispute acts from now on, whatever events tell of it. The payment intent is
    locked."""
    discarded_reversals.keep(
        tx, object_id, payment_intent_id=payment_intent_id, event_id=event_id, reason=reason
    )
    if payment_intent_id is not None:
        reversals.hold_object(tx, object_id, payment_intent_id)


def revive(tx: Transaction, report: ReversalReport, event_id: str) -> None:
    """Take back what was decided about the refund or dispute that the event is about, or, if it is about the
    charge, what was decided with this event: all of it waits again, to be applied."""
    discarded = discarded_reversals.among(tx, [one.object_id for one in report.objects])
    brought = reversals.brought_by(tx, event_id)
    revived = [
        one
        for one in report.objects
        if one.object_id == report.subject
        or (report.subject is None and (discarded.get(one.object_id) == event_id or one.object_id in brought))
    ]
    discarded_reversals.take_back(tx, [one.object_id for one in revived])
    reversals.revive(tx, [key for one in revived for key in one.effect_keys])


def release(tx: Transaction, row: Payment) -> list[Message]:
    """Emit what waits for this succeeded payment. The row is locked."""
    if row.payment_intent_id is None or not reversals.waiting(tx, row.payment_intent_id):
        return []
    reversals.hold_what_belongs_to_held(tx, row.payment_intent_id)
    waiting = reversals.waiting(tx, row.payment_intent_id)
    foreign = {
        stored.reversal.object_id for stored in waiting if stored.reversal.currency != row.paid_currency
    }
    ours = [stored for stored in waiting if stored.reversal.object_id not in foreign]
    messages = [enqueue(tx, stored.reversal.effect_key, reversal_event(row, stored)) for stored in ours]
    reversals.settle(tx, [stored.reversal.effect_key for stored in ours], "emitted")
    for stored in waiting:
        if stored not in ours:
            _hold(tx, stored, row)
    reversals.total(tx, row.payment_intent_id)
    return [message for message in messages if message is not None]


def _hold(tx: Transaction, stored: StoredReversal, row: Payment) -> None:
    reversals.settle(tx, [stored.reversal.effect_key], "held")
    if stored.event_id is not None:
        inbox.settle(tx, stored.event_id, "held", OTHER_CURRENCY, row.request_id)
    telemetry.alert(
        "ReversalHeld",
        "a reversal in another currency than its payment",
        effect_key=stored.reversal.effect_key,
        currency=stored.reversal.currency,
    )


def reversal_event(row: Payment, stored: StoredReversal) -> CheckoutFinishedEvent:
    """The same whenever it is built."""
    return CheckoutFinishedEvent(
        request_id=row.request_id,
        user_id=row.user_id,
        amount_cents=stored.reversal.amount_cents,
        currency=stored.reversal.currency,
        purpose=row.purpose,
        status=stored.reversal.kind,
        session_id=row.stripe_session_id,
        session_url=row.stripe_session_url,
        payment_intent_id=row.payment_intent_id,
        timestamp=iso_utc(row.completed_at or row.updated_at),
        event_id=stored.event_id,
        source_id=stored.reversal.source_id,
        dispute_id=stored.reversal.dispute_id,
    )
