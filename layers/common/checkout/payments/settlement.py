"""Settle what was read of a Stripe event: lock and read, decide, write. All in the caller's transaction.

If the process dies before the caller commits, nothing of it has happened. A second process with the same
event, payment intent or payment waits until the first one has committed, and decides by what that has left.
If the result is Unconfirmed, the caller rolls the transaction back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from checkout.base import telemetry
from checkout.base.postgres import Transaction
from checkout.outbox.delivery import queue
from checkout.outbox.table import Message
from checkout.payments import inbox, locked, reversals, table
from checkout.payments.decisions import Decision, decide
from checkout.payments.inbox import StoredEvent
from checkout.payments.locked import Locked, Report
from checkout.payments.outcomes import (
    Applied,
    Behind,
    Ignored,
    Outcome,
    Parked,
    Unconfirmed,
    Unseen,
    Waiting,
)
from checkout.payments.payment import Payment
from checkout.payments.reversal_event import ReversalReport
from checkout.payments.reversals_table import StoredReversal
from checkout.payments.session_event import SessionReport
from checkout.payments.stripe_event import StripeEvent
from checkout.payments.stripe_object import payment_intent_of

OF_ANOTHER_ACCOUNT = "of another account"
BEHIND_FOR_SECONDS = 24 * 3600
"""So long Stripe's answer may be older than an event: far longer than it ever was, and short enough to
notice."""

UNSEEN_FOR_SECONDS = 3600
"""So long Stripe may not show an object that could be ours: less than it takes until an alarm is raised."""

Admit = Callable[[StoredEvent], bool]
"""True if the stored event is still to be settled."""


@dataclass(frozen=True, slots=True)
class Settled:
    outcome: Outcome
    messages: Sequence[Message] = ()
    """To be published after the commit; until then they are in the outbox."""

    revived: Sequence[str] = ()
    """Refunds and disputes that a replay has taken up: nothing is decided about them any more."""


def apply(tx: Transaction, report: Report) -> Settled | Unconfirmed:
    """Apply what Stripe has answered, without an event."""
    _lock(tx, report)
    return _applied(tx, report, locked.read(tx, report), None)


def settle_new(tx: Transaction, report: Report, event: StripeEvent) -> Settled | Unconfirmed | None:
    """Store the event, apply what was read of it, and store what becomes of it. None if it is known."""
    expected = Applied(request_id=report.request_id if isinstance(report, SessionReport) else None)
    _lock(tx, report, event)
    found = locked.read(tx, report, inbox.insert(tx, event, expected))
    if not found.is_new:
        return None
    settled = _applied(tx, report, found, event.id)
    if isinstance(settled, Settled) and settled.outcome != expected:
        inbox.settle(tx, event.id, settled.outcome)
    return settled


def settle_stored(
    tx: Transaction, report: Report, event: StripeEvent, admit: Admit, *, is_replay: bool
) -> Settled | Unconfirmed | None:
    """Apply what was read of a stored event, and store what becomes of it. `is_replay` takes back what was
    discarded with it. None if it is not admitted."""
    _lock(tx, report, event)
    if not admit(inbox.lock(tx, event.id)):
        return None
    found = locked.read(tx, report)
    revived: Sequence[str] = ()
    if is_replay and isinstance(report, ReversalReport):
        revived = reversals.revive(tx, report, found, event.id)
        found = locked.read(tx, report)
    settled = _applied(tx, report, found, event.id)
    if isinstance(settled, Settled):
        inbox.settle(tx, event.id, settled.outcome)
        settled = replace(settled, revived=revived)
    return settled


def settle_unread(
    tx: Transaction, event: StripeEvent, outcome: Outcome, admit: Admit | None, *, is_replay: bool
) -> Settled | None:
    """Store what becomes of an event without reading its payment. None if it is known, or not admitted;
    without `admit` it is stored as new. A replay that must wait takes a discard back at once."""
    if admit is None:
        return Settled(outcome) if inbox.store(tx, event, outcome) else None
    payment_intent_id = payment_intent_of(event.object)
    if is_replay and payment_intent_id is not None:
        table.lock_payment_intent(tx, payment_intent_id)
    stored = inbox.lock(tx, event.id)
    if not admit(stored):
        return None
    if isinstance(outcome, Behind) and stored.age_seconds > BEHIND_FOR_SECONDS:
        outcome = Parked(f"for more than a day: {outcome.reason}")
    if isinstance(outcome, Unseen) and stored.age_seconds > UNSEEN_FOR_SECONDS:
        outcome = Ignored(OF_ANOTHER_ACCOUNT)
    inbox.settle(tx, event.id, outcome)
    is_to_come = is_replay and isinstance(outcome, Waiting)
    return Settled(outcome, revived=reversals.revive_unread(tx, event) if is_to_come else ())


def _lock(tx: Transaction, report: Report, event: StripeEvent | None = None) -> None:
    """Lock the payment intents of the event and of the report; unless something is wrong, they are one."""
    intents = {report.payment_intent_id}
    if event is not None:
        intents.add(payment_intent_of(event.object))
    for intent in sorted(intent for intent in intents if intent is not None):
        table.lock_payment_intent(tx, intent)


def _applied(tx: Transaction, report: Report, found: Locked, event_id: str | None) -> Settled | Unconfirmed:
    decision = decide(tx, report, found, event_id)
    if isinstance(decision, Unconfirmed):
        return decision
    return Settled(decision.outcome, _write(tx, report, decision, found))


def _write(tx: Transaction, report: Report, decision: Decision, found: Locked) -> list[Message]:
    payment, changes = decision.payment, decision.reversals
    if payment is not None and decision.is_moved:
        table.move(tx, payment, is_read=isinstance(report, SessionReport) and report.is_read)
        if found.reversals and payment.payment_intent_id is not None and payment.paid_cents is not None:
            # Not those for which Stripe is still to be asked: nobody knows what they take back.
            inbox.settle_waiting(tx, payment.payment_intent_id, reversals.UNPAID, payment.request_id)
    if report.payment_intent_id is not None:
        changes.write(tx, report.payment_intent_id)
    for one in changes.foreign:
        _park_foreign(tx, one, payment)
    return [queue(tx, one.effect_key, one.event) for one in decision.emissions]


def _park_foreign(tx: Transaction, one: StoredReversal, payment: Payment | None) -> None:
    if one.event_id is not None:
        request_id = payment.request_id if payment is not None else None
        inbox.settle(tx, one.event_id, Parked(reversals.OTHER_CURRENCY, request_id))
    telemetry.alert(
        "ReversalHeld",
        "a reversal in another currency than its payment",
        effect_key=one.reversal.effect_key,
        currency=one.reversal.currency,
    )
