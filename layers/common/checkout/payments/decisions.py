"""What becomes of an event, and what follows for its payment.

Only locked rows decide. The one write here inserts the row of an unknown session.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from checkout.base import telemetry
from checkout.base.postgres import Transaction
from checkout.base.text import MAX_IDENTIFIER_LENGTH
from checkout.outbox.effects import TOP_UP
from checkout.payments import emissions, locked, reversals, session_event, table
from checkout.payments.emissions import Emission
from checkout.payments.locked import Locked, Report
from checkout.payments.outcomes import Applied, Outcome, Parked, Unconfirmed
from checkout.payments.payment import FINAL, SMOKE_PAYMENT, Payment, Status
from checkout.payments.price import Price
from checkout.payments.reversals import NO_CHANGES, Changes
from checkout.payments.session_event import SessionReport

NO_PROMISE = "metadata.amount_cents and metadata.credit_cents do not say what is credited"
CREDITS_NOTHING = "what its amount_subtotal credits is nothing, or beyond BIGINT"
PAID_NOTHING = "nothing was paid, and it is for another purpose than the balance"
TOO_LONG = f"request_id and session id together exceed {MAX_IDENTIFIER_LENGTH} characters"


@dataclass(frozen=True, slots=True)
class Decision:
    """`payment` is what the reversals are of, and `is_moved` says that it has another state than its row."""

    outcome: Outcome
    payment: Payment | None = None
    is_moved: bool = False
    emissions: Sequence[Emission] = ()
    reversals: Changes = NO_CHANGES


def decide(tx: Transaction, report: Report, found: Locked, event_id: str | None) -> Decision | Unconfirmed:
    if isinstance(report, SessionReport):
        return _of_session(tx, report, found, event_id)
    outcome, changes = reversals.decide(report, found, event_id)
    payment = next(iter(found.payments), None)
    emitted = [] if payment is None else emissions.of_reversals(payment, changes.emitted)
    return Decision(outcome, payment, emissions=emitted, reversals=changes)


def _of_session(
    tx: Transaction, reported: SessionReport, found: Locked, event_id: str | None
) -> Decision | Unconfirmed:
    """Raise the payment to what was reported, and emit what must go to Kafka."""
    named, own = found.of_request(reported.request_id), found.of_session(reported.session_id)
    row = session_event.row_of(reported, named, own)
    if isinstance(row, Outcome):
        return Decision(row)
    if not session_event.is_believed(reported, row):
        return Unconfirmed()
    if row is None:
        return _of_unknown_session(tx, reported, named, event_id)
    applied = Applied(request_id=row.request_id)
    if not row.status.may_become(reported.status):
        _alert_contradiction(reported, row)
        return Decision(applied)
    moved = _moved(row, reported, event_id, found.now)
    if reported.is_paid:
        credit_cents = _price(row, reported).credit_for(reported.totals.subtotal_cents)
        if credit_cents is None:
            return Decision(Parked(CREDITS_NOTHING, row.request_id))
        if row.purpose != TOP_UP and not moved.paid_cents:
            return Decision(Parked(PAID_NOTHING, row.request_id))
        moved = replace(moved, credit_cents=credit_cents)
        telemetry.count("PaymentsSucceeded")
        _compare_paid_with_asked(row, reported)
        # While its debit was on its way, the same session may have been recovered again, and paid.
        may_be_second = reported.recovered_from is not None and row.status is Status.PAYMENT_PROCESSING
        if may_be_second and table.is_any_paid(tx, row.user_id, reported.request_id):
            _alert_second_payment(reported, row, is_second=True)
        changes = reversals.release(moved, found.reversals)
        released = emissions.of_reversals(moved, changes.emitted)
        emitted = [emissions.success(moved), *released]
        return Decision(applied, moved, is_moved=True, emissions=emitted, reversals=changes)
    if moved.status in (Status.PAYMENT_FAILED, Status.SESSION_EXPIRED):
        return Decision(applied, moved, is_moved=True, emissions=[emissions.failed(moved, event_id)])
    return Decision(applied, moved, is_moved=True)


def _price(row: Payment, reported: SessionReport) -> Price:
    """What the session promised. Of one that was not begun for this row only its metadata say that: after a
    restore, the row is that of a repeated request, and settings may have changed in between."""
    if row.stripe_session_id != reported.session_id and reported.promised is not None:
        return reported.promised
    return row.price


def _moved(row: Payment, reported: SessionReport, event_id: str | None, now: datetime) -> Payment:
    return replace(
        row,
        status=reported.status,
        error_message=reported.error_message,
        refused_because=row.refusal,
        stripe_session_id=row.stripe_session_id or reported.session_id,
        stripe_session_url=row.stripe_session_url or reported.session_url,
        payment_intent_id=reported.payment_intent_id or row.payment_intent_id,
        paid_cents=reported.totals.total_cents if reported.is_paid else None,
        tax_cents=reported.totals.tax_cents if reported.is_paid else None,
        discount_cents=reported.totals.discount_cents if reported.is_paid else None,
        paid_currency=reported.currency if reported.is_paid else None,
        paid_event_id=event_id if reported.is_paid else None,
        completed_at=now if reported.status in FINAL else None,
        updated_at=now,
    )


def _of_unknown_session(
    tx: Transaction, reported: SessionReport, named: Payment | None, event_id: str | None
) -> Decision | Unconfirmed:
    """Make its row: the request's if there is none, else that of a second payment of the request."""
    promised = reported.promised
    if promised is None:
        return Decision(Parked(NO_PROMISE))
    if promised.credit_for(reported.totals.subtotal_cents) is None:
        return Decision(Parked(CREDITS_NOTHING))
    if reported.is_paid and reported.payment_intent_id is None and reported.purpose != TOP_UP:
        return Decision(Parked(PAID_NOTHING))
    if named is None:
        table.insert_reported(tx, reported.request_id, reported, promised, event_id)
        found = locked.read(tx, reported)
        if found.of_session(reported.session_id) is not None:
            telemetry.logger.warning("made the row of a session that we did not know")
        return _of_session(tx, reported, found, event_id)  # Or the request was begun meanwhile.
    names = session_event.names_of_second_payment(named.request_id, reported.session_id)
    if not names:
        return Decision(Parked(TOO_LONG))
    is_second = table.is_any_paid(tx, named.user_id, named.request_id)
    for name in names:
        table.insert_reported(tx, name, reported, promised, event_id)
        found = locked.read(tx, reported)
        if (row := found.of_session(reported.session_id)) is not None:
            _alert_second_payment(reported, row, is_second=is_second)
            return _of_session(tx, reported, found, event_id)
    return Decision(Parked("other sessions have the request_ids that its row could have"))


def _alert_second_payment(reported: SessionReport, row: Payment, *, is_second: bool) -> None:
    if reported.recovered_from is not None and not is_second:
        telemetry.logger.warning("a recovered session was paid in the place of the one that expired")
        return
    telemetry.alert(
        "SecondPayment",
        "a second session of one request was paid; it is credited too",
        second_request_id=row.request_id,
        session_id=reported.session_id,
    )


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


def _compare_paid_with_asked(row: Payment, reported: SessionReport) -> None:
    asked, came_to = row.amount_cents, reported.totals.subtotal_cents
    if (came_to, reported.currency) != (asked, row.currency):
        telemetry.alert(
            "PaidDiffersFromAsked",
            "the session came to another amount or currency than asked; credited in proportion",
            asked=f"{asked} {row.currency}",
            paid=f"{came_to} {reported.currency}",
        )
