"""What goes to Kafka about a payment. Each event is the same whenever it is built."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from checkout.base.errors import InvariantBroken
from checkout.outbox.effects import TOP_UP, answer_key, failed_key, success_key
from checkout.outbox.finished_event import CheckoutFinishedEvent, iso_utc
from checkout.payments.payment import Payment
from checkout.payments.reversals_table import StoredReversal


@dataclass(frozen=True, slots=True)
class Emission:
    effect_key: str
    event: CheckoutFinishedEvent


def success(payment: Payment) -> Emission:
    return Emission(success_key(payment.request_id), success_event(payment))


def success_event(payment: Payment) -> CheckoutFinishedEvent:
    """The `success` of a succeeded payment: with what it credits, or, with another purpose than the balance,
    with what was paid."""
    if payment.paid_cents is None or payment.paid_currency is None or payment.completed_at is None:
        raise InvariantBroken(f"payment {payment.request_id} succeeded without an amount")
    return _event(
        payment,
        "success",
        at=payment.completed_at,
        amount_cents=payment.credited_cents if payment.purpose == TOP_UP else payment.paid_cents,
        currency=payment.paid_currency,
        event_id=payment.paid_event_id,
        paid_cents=payment.paid_cents,
        tax_cents=payment.tax_cents,
        discount_cents=payment.discount_cents,
    )


def failed(payment: Payment, event_id: str | None) -> Emission:
    event = _event(
        payment,
        "failed",
        at=payment.updated_at,
        amount_cents=payment.amount_cents,
        currency=payment.currency,
        error_message=payment.error_message,
        event_id=event_id,
    )
    return Emission(failed_key(payment.request_id), event)


def answer(payment: Payment) -> Emission:
    """`session_created`, or `failed` if the request was refused, whatever has been paid since."""
    sessions = {"session_id": None, "session_url": None} if payment.is_refused else {}
    event = _event(
        payment,
        "failed" if payment.is_refused else "session_created",
        at=payment.created_at,
        amount_cents=payment.amount_cents,
        currency=payment.currency,
        payment_intent_id=None,
        error_message=payment.refusal,
        **sessions,
    )
    return Emission(answer_key(payment.request_id), event)


def of_reversals(payment: Payment, emitted: Iterable[StoredReversal]) -> list[Emission]:
    """Those that move something. With a low rate, the share of a small refund can be nothing."""
    return [
        Emission(one.reversal.effect_key, reversal_event(payment, one)) for one in emitted if one.moved_cents
    ]


def reversal_event(payment: Payment, stored: StoredReversal) -> CheckoutFinishedEvent:
    return _event(
        payment,
        stored.reversal.kind,
        at=payment.completed_at or payment.updated_at,
        amount_cents=stored.moved_cents,
        currency=stored.reversal.currency,
        event_id=stored.event_id,
        source_id=stored.reversal.source_id,
        reversed_cents=stored.reversal.amount_cents,
        dispute_id=stored.reversal.dispute_id,
    )


def _event(payment: Payment, status: str, *, at: datetime, **fields: Any) -> CheckoutFinishedEvent:
    return CheckoutFinishedEvent(
        request_id=payment.request_id,
        user_id=payment.user_id,
        purpose=payment.purpose,
        status=status,
        timestamp=iso_utc(at),
        **{
            "session_id": payment.stripe_session_id,
            "session_url": payment.stripe_session_url,
            "payment_intent_id": payment.payment_intent_id,
            **fields,
        },
    )
