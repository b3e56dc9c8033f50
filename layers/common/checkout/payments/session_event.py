"""What a `checkout.session.*` event says about a payment, and what is to be done about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from checkout.base.text import identifier, is_storable, request_identifier
from checkout.base.user_ids import UserId, UserIds
from checkout.outbox.effects import TOP_UP
from checkout.payments import price
from checkout.payments.outcomes import Ignored, Outcome, Parked
from checkout.payments.payment import Payment, Status
from checkout.payments.price import Price, Totals
from checkout.payments.stripe_object import payment_intent_of

HANDLED = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
    }
)

EXPIRED = "The session expired before it was paid."


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """What one event proves about one Checkout session of ours."""

    session_id: str
    session_url: str | None
    payment_intent_id: str | None
    request_id: str
    user_id: UserId
    purpose: str
    status: Status
    totals: Totals
    promised: Price | None
    """What its metadata says; None if that makes no sense."""

    currency: str
    error_message: str | None = None
    recovered_from: str | None = None
    """The expired session that Stripe made this one from, if it did."""

    is_read: bool = False
    """True if Stripe said so when it was asked, and not the signed body alone."""

    @property
    def is_paid(self) -> bool:
        return self.status is Status.PAYMENT_SUCCEEDED


_PAYMENT_RANK = {"unpaid": 0, "paid": 1, "no_payment_required": 1}
_SESSION_RANK = {"open": 0, "complete": 1, "expired": 1}


def is_behind(answer: Mapping[str, Any], reported: Mapping[str, Any]) -> bool:
    """True if the session that Stripe answers is older than the one that its event reports."""
    return any(
        rank.get(str(answer.get(field)), 0) < rank.get(str(reported.get(field)), 0)
        for field, rank in (("payment_status", _PAYMENT_RANK), ("status", _SESSION_RANK))
    )


def report(
    event_type: str, session: Mapping[str, Any], user_ids: UserIds, *, is_read: bool = False
) -> SessionReport | Parked:
    """Read a session of ours. Parked if it makes no sense."""
    metadata, session_id = session.get("metadata"), identifier(session.get("id"))
    if session_id is None:
        return Parked("the session has no usable id")
    if not isinstance(metadata, Mapping):
        return Parked("the session has no metadata")
    # Nothing but what is erased after a while has no mode.
    if session.get("mode", "payment") != "payment":
        return Parked("the session's mode is not payment")
    request_id = request_identifier(metadata.get("request_id"))
    if request_id is None:
        return Parked("metadata.request_id is missing or not usable")
    user_id = user_ids.from_text(metadata.get("user_id"))
    if user_id is None:
        return Parked(f"metadata.user_id is not a user's id ({user_ids.name})")
    purpose = metadata.get("purpose", TOP_UP)
    if identifier(purpose) is None:
        return Parked("metadata.purpose is not usable")
    totals = price.totals(session)
    if isinstance(totals, Parked):
        return totals
    currency = identifier(session.get("currency"))
    if currency is None:
        return Parked("currency is missing")
    state = _state(event_type, session, totals)
    if isinstance(state, Parked):
        return state
    status, error_message = state
    payment_intent_id = payment_intent_of(session)
    if status is Status.PAYMENT_SUCCEEDED and payment_intent_id is None and not totals.is_free:
        return Parked("it is paid, and has no payment intent")
    url = session.get("url")
    return SessionReport(
        session_id=session_id,
        session_url=url if isinstance(url, str) and is_storable(url) else None,
        payment_intent_id=payment_intent_id,
        request_id=request_id,
        user_id=user_id,
        purpose=str(purpose),
        status=status,
        totals=totals,
        promised=price.promised(metadata, totals.subtotal_cents),
        currency=currency.lower(),
        error_message=error_message,
        recovered_from=identifier(session.get("recovered_from")),
        is_read=is_read,
    )


def _state(event_type: str, session: Mapping[str, Any], totals: Totals) -> tuple[Status, str | None] | Parked:
    """Of the payment, and why it failed."""
    match session.get("payment_status"), event_type:
        case "paid", _ if totals.total_cents > 0 or totals.is_free:
            return Status.PAYMENT_SUCCEEDED, None
        case "paid", _:
            return Parked("amount_total is 0, and amount_discount is not all of amount_subtotal")
        case "no_payment_required", _ if totals.is_free and session.get("status") == "complete":
            return Status.PAYMENT_SUCCEEDED, None
        # A code for all of it was tried, and nobody went on.
        case "no_payment_required", "checkout.session.expired" if session.get("status") == "expired":
            return Status.SESSION_EXPIRED, EXPIRED
        case "no_payment_required", _:
            return Parked("no payment was required, and amount_discount is not all of amount_subtotal")
        case "unpaid", "checkout.session.completed" if session.get("status") != "open":
            return Status.PAYMENT_PROCESSING, None
        case "unpaid", "checkout.session.async_payment_failed":
            return Status.PAYMENT_FAILED, "The payment failed."
        case "unpaid", "checkout.session.expired":
            return Status.SESSION_EXPIRED, EXPIRED
        case _:
            return Parked(f"payment_status does not go with {event_type}")


def row_of(reported: SessionReport, named: Payment | None, own: Payment | None) -> Payment | Outcome | None:
    """The row that the report is about: `own` has its session, `named` its request_id. None if it gets a new
    one, as a second payment of the same request does; the outcome if there is nothing to apply."""
    known = own or named
    if known is None:
        return None
    is_of_another = known.user_id != reported.user_id
    if own is None and not reported.is_paid and (is_of_another or known.stripe_session_id is not None):
        return Ignored("another session of a known request, not paid")
    if is_of_another:
        return Parked("metadata.user_id names another user than the payment's")
    if own is not None and not _is_of_request(own, reported.request_id):
        return Parked("the session belongs to another request")
    if own is not None or known.stripe_session_id is None:
        return known
    return None


def is_believed(reported: SessionReport, row: Payment | None) -> bool:
    """True if Stripe need not be asked: it was, or the session was begun for this row, was not free and,
    apart from tax and discount, was paid as asked. (Stripe's books have no entry for a free session, so
    nothing would expose a forged one.)"""
    if reported.is_read:
        return True
    if row is None or row.stripe_session_id != reported.session_id:
        return False
    return not reported.is_paid or (
        (reported.totals.subtotal_cents, reported.currency) == (row.amount_cents, row.currency)
        and reported.totals.add_up
        and not reported.totals.is_free
        and row.payment_intent_id in (None, reported.payment_intent_id)
    )


def names_of_second_payment(request_id: str, session_id: str) -> list[str]:
    """The request_ids that a second payment's row may have, in the order in which they are tried. request_ids
    are in lower case and Stripe's ids are not, so two sessions can collide on the first; the second adds a
    digest. Empty if all are too long."""
    short = f"{request_id}:{session_id}"
    names = (short, f"{short}:{sha256(session_id.encode()).hexdigest()[:16]}")
    return [name for name in map(request_identifier, names) if name is not None]


def difference(reported: SessionReport, row: Payment) -> str | None:
    """What a paid session and its succeeded row disagree about; None if they agree."""
    if row.user_id != reported.user_id:
        return "another user"
    if not _is_of_request(row, reported.request_id):
        return "another request"
    if (row.paid_cents, row.paid_currency) != (reported.totals.total_cents, reported.currency):
        return "another amount or currency"
    if row.payment_intent_id not in (None, reported.payment_intent_id):
        return "another payment intent"
    return None


def contradiction(reported: SessionReport, row: Payment) -> str | None:
    """Why a report and a row that has succeeded cannot both be right; None if the report is merely late."""
    if row.status is not Status.PAYMENT_SUCCEEDED:
        return None
    if reported.is_paid:
        return difference(reported, row)
    if reported.status is Status.PAYMENT_PROCESSING:
        return None
    return f"it is reported as {reported.status}"


def _is_of_request(row: Payment, request_id: str) -> bool:
    # An earlier release took request_ids with blanks around them, which Stripe cuts off.
    return row.request_id.strip() == request_id or row.request_id.startswith(f"{request_id}:")
