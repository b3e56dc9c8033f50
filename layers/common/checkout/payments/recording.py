"""Apply a `checkout.session.*` event to the transaction it is about, inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from checkout.base import telemetry
from checkout.base.errors import InvariantBroken
from checkout.base.postgres import Transaction
from checkout.outbox.delivery import enqueue
from checkout.outbox.effects import failed_key, success_key
from checkout.outbox.finished_event import CheckoutFinishedEvent, iso_utc
from checkout.outbox.table import Message
from checkout.payments import inbox, reversals, session_event
from checkout.payments import table as payments_table
from checkout.payments.payment import SMOKE_PAYMENT, Payment, Status
from checkout.payments.session_event import SessionReport
from checkout.payments.verdicts import Held, Unconfirmed


@dataclass(frozen=True, slots=True)
class Applied:
    request_id: str
    messages: Sequence[Message] = ()


def apply(tx: Transaction, reported: SessionReport, event_id: str | None) -> Applied:
    """Raise the transaction to what was reported, and put what must go to Kafka into the outbox.

    Raises Ignored or Held, and Unconfirmed if Stripe must be asked for the session first; nothing was changed
    then. `event_id` is None if no event told it.
    """
    row = _row_of(tx, reported, event_id)
    if not row.status.may_become(reported.status):
        _alert_contradiction(reported, row)
        return Applied(row.request_id)
    moved = payments_table.move(tx, row, reported, event_id)
    if reported.is_paid:
        telemetry.count("PaymentsSucceeded")
        _compare_paid_with_asked(moved)
        success = enqueue(tx, success_key(moved.request_id), success_event(moved))
        if moved.payment_intent_id is not None:
            # Not those for which Stripe is still to be asked: nobody knows what they take back.
            inbox.settle_waiting(tx, moved.payment_intent_id, reversals.UNPAID, moved.request_id)
        return Applied(moved.request_id, [*([success] if success else []), *reversals.release(tx, moved)])
    if moved.status in (Status.PAYMENT_FAILED, Status.SESSION_EXPIRED):
        failed = enqueue(tx, failed_key(moved.request_id), _failed_event(moved, event_id))
        return Applied(moved.request_id, [failed] if failed else [])
    return Applied(moved.request_id)


def _row_of(tx: Transaction, reported: SessionReport, event_id: str | None) -> Payment:
    """The row that the report is about, locked. It is made if there is none, or if another session than the
    request's was paid."""
    named, own = payments_table.lock_of_session(tx, reported.request_id, reported.session_id)
    row = session_event.row_of(reported, named, own)
    if not session_event.is_believed(reported, row):
        raise Unconfirmed
    if row is not None:
        return row
    if named is not None:
        return _row_of_its_own(tx, reported, named, event_id)
    row = payments_table.insert_reported(tx, reported.request_id, reported, event_id)
    if row.stripe_session_id != reported.session_id:
        return _row_of(tx, reported, event_id)  # The request was begun meanwhile.
    telemetry.logger.warning("made the row of a session that we did not know")
    return row


def _row_of_its_own(
    tx: Transaction, reported: SessionReport, named: Payment, event_id: str | None
) -> Payment:
    is_second = payments_table.is_any_paid(tx, named.user_id, named.request_id)
    for name in session_event.names_of_second_payment(named.request_id, reported.session_id):
        row = payments_table.insert_reported(tx, name, reported, event_id)
        if row.stripe_session_id == reported.session_id:
            break
    else:
        raise Held("other sessions have the request_ids that its row could have")
    if reported.recovered_from is not None and not is_second:
        telemetry.logger.warning("a recovered session was paid in the place of the one that expired")
    else:
        telemetry.alert(
            "SecondPayment",
            "a second session of one request was paid; it is credited too",
            second_request_id=row.request_id,
            session_id=reported.session_id,
        )
    return row


def _alert_contradiction(reported: SessionReport, row: Payment) -> None:
    contradiction = session_event.contradiction(reported, row)
    # The smoke test makes up a payment, and lets its session expire.
    if contradiction is not None and not (row.payment_intent_id or "").startswith(SMOKE_PAYMENT):
        telemetry.alert(
            "PaymentContradicted",
            "an event contradicts a payment that has succeeded; nothing is changed",
            reason=contradiction,
            session_id=reported.session_id,
        )


def success_event(row: Payment) -> CheckoutFinishedEvent:
    """The `success` of a succeeded row, from what was paid; the same whenever it is built."""
    if row.paid_cents is None or row.paid_currency is None or row.completed_at is None:
        raise InvariantBroken(f"payment {row.request_id} succeeded without an amount")
    return CheckoutFinishedEvent(
        request_id=row.request_id,
        user_id=row.user_id,
        amount_cents=row.paid_cents,
        currency=row.paid_currency,
        purpose=row.purpose,
        status="success",
        session_id=row.stripe_session_id,
        session_url=row.stripe_session_url,
        payment_intent_id=row.payment_intent_id,
        timestamp=iso_utc(row.completed_at),
        event_id=row.paid_event_id,
    )


def _failed_event(row: Payment, event_id: str | None) -> CheckoutFinishedEvent:
    return CheckoutFinishedEvent(
        request_id=row.request_id,
        user_id=row.user_id,
        amount_cents=row.amount_cents,
        currency=row.currency,
        purpose=row.purpose,
        status="failed",
        session_id=row.stripe_session_id,
        session_url=row.stripe_session_url,
        payment_intent_id=row.payment_intent_id,
        error_message=row.error_message,
        timestamp=iso_utc(row.updated_at),
        event_id=event_id,
    )


def _compare_paid_with_asked(row: Payment) -> None:
    if (row.paid_cents, row.paid_currency) != (row.amount_cents, row.currency):
        telemetry.alert(
            "PaidDiffersFromAsked",
            "paid another amount or currency than asked; credited as paid",
            asked=f"{row.amount_cents} {row.currency}",
            paid=f"{row.paid_cents} {row.paid_currency}",
        )
