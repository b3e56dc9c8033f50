"""Refunds and disputes: store what Stripe moved, and emit it once its payment was emitted.

All in the caller's transaction, under the lock of the payment intent: whichever of a payment and its reversal
is applied first, the second one finds it.
"""

from checkout import telemetry
from checkout.adapters import inbox, reversals, transactions
from checkout.adapters.outbox import Message
from checkout.adapters.postgres import Cursor
from checkout.adapters.reversals import StoredReversal
from checkout.domain.finished_event import CheckoutFinishedEvent, iso_utc
from checkout.domain.reversal_event import ReversalReport
from checkout.domain.transaction import Status, Transaction
from checkout.domain.verdicts import Held, Ignored, Waiting
from checkout.services.delivery import enqueue

UNPAID = "its payment has not succeeded yet"
DROPPED = "an operator has dropped what it is about"
OTHER_CURRENCY = "it is in another currency than its payment"


def apply(
    cursor: Cursor, report: ReversalReport, event_id: str | None
) -> tuple[Transaction | None, list[Message]]:
    """Store the movements, and emit them if their payment has succeeded.

    Returns that payment's row, if it has, and what is to be published. Raises Waiting where they wait for the
    payment, Held where they are in another currency, and Ignored where an operator dropped them; what was
    stored stays so.
    """
    is_any_wanted = False
    for movements in report.each:
        # Where a refund was dropped, its failure gives nothing back; so it is with what a dispute returns.
        is_held = reversals.any_held(cursor, [reversal.effect_key for reversal in movements])
        is_any_wanted = is_any_wanted or not is_held
        for reversal in movements:
            state = "held" if is_held else "waiting"
            reversals.insert(cursor, reversal, report.payment_intent_id, event_id, state)
    row = transactions.lock_payment(cursor, report.payment_intent_id)
    if row is None or row.status is not Status.PAYMENT_SUCCEEDED:
        if report.reversals:
            raise Waiting(UNPAID) if is_any_wanted else Ignored(DROPPED)
        return None, []
    messages = release(cursor, row)
    if any(reversal.currency != row.paid_currency for reversal in report.reversals):
        raise Held(OTHER_CURRENCY)
    if report.reversals and not is_any_wanted:
        raise Ignored(DROPPED)
    return row, messages


def revive(cursor: Cursor, report: ReversalReport) -> None:
    """What was dropped of it waits again, to be applied."""
    reversals.revive(cursor, [reversal.effect_key for reversal in report.reversals])


def release(cursor: Cursor, row: Transaction) -> list[Message]:
    """Emit what waits for this succeeded payment. The row is locked."""
    if row.payment_intent_id is None:
        return []
    waiting = reversals.waiting(cursor, row.payment_intent_id)
    if not waiting:
        return []
    ours = [stored for stored in waiting if stored.reversal.currency == row.paid_currency]
    messages = [enqueue(cursor, stored.reversal.effect_key, reversal_event(row, stored)) for stored in ours]
    reversals.settle(cursor, [stored.reversal.effect_key for stored in ours], "emitted")
    for stored in waiting:
        if stored not in ours:
            reversals.settle(cursor, [stored.reversal.effect_key], "held")
            if stored.event_id is not None:
                inbox.settle(cursor, stored.event_id, "held", OTHER_CURRENCY, row.request_id)
            telemetry.alert(
                "ReversalHeld",
                "a reversal in another currency than its payment",
                effect_key=stored.reversal.effect_key,
                currency=stored.reversal.currency,
            )
    reversals.total(cursor, row.payment_intent_id)
    return [message for message in messages if message is not None]


def reversal_event(row: Transaction, stored: StoredReversal) -> CheckoutFinishedEvent:
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
    )
