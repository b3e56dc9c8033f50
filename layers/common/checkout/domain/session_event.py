"""What a `checkout.session.*` event says about a payment, and what is to be done about it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkout.domain.effects import TOP_UP
from checkout.domain.text import (
    MAX_IDENTIFIER_LENGTH,
    identifier,
    is_storable,
    positive_bigint,
    request_identifier,
    user_id_from_digits,
)
from checkout.domain.transaction import Status, Transaction
from checkout.domain.verdicts import Held, Ignored

HANDLED = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReport:
    """What one event proves about one Checkout session of ours."""

    session_id: str
    session_url: str | None
    payment_intent_id: str | None
    request_id: str
    user_id: int
    purpose: str
    status: Status
    amount_cents: int
    currency: str
    error_message: str | None = None

    @property
    def is_paid(self) -> bool:
        return self.status is Status.PAYMENT_SUCCEEDED


def is_ours(resource: Mapping[str, Any], app_id: str) -> bool:
    """Whether a session or a payment intent is this application's."""
    metadata = resource.get("metadata")
    return isinstance(metadata, Mapping) and metadata.get("checkout_app") == app_id


def payment_intent_of(resource: Mapping[str, Any]) -> str | None:
    """The id, whether Stripe sent the id or the expanded object."""
    intent = resource.get("payment_intent")
    return identifier(intent.get("id") if isinstance(intent, Mapping) else intent)


def report(event_type: str, session: Mapping[str, Any]) -> SessionReport:
    """Read a session of ours. Raises Held for what makes no sense."""
    metadata = session["metadata"]
    session_id = identifier(session.get("id"))
    if session_id is None:
        raise Held("the session has no usable id")
    request_id = request_identifier(metadata.get("request_id"))
    if request_id is None:
        raise Held("metadata.request_id is missing or not usable")
    user_id = user_id_from_digits(metadata.get("user_id"))
    if user_id is None:
        raise Held("metadata.user_id is not a user's number")
    purpose = metadata.get("purpose", TOP_UP)
    if identifier(purpose) is None:
        raise Held("metadata.purpose is not usable")
    amount_cents = positive_bigint(session.get("amount_total"))
    if amount_cents is None:
        raise Held("amount_total is not a positive integer within BIGINT")
    currency = identifier(session.get("currency"))
    if currency is None:
        raise Held("currency is missing")
    status, error_message = _outcome(event_type, session)
    url = session.get("url")
    return SessionReport(
        session_id=session_id,
        session_url=url if isinstance(url, str) and is_storable(url) else None,
        payment_intent_id=payment_intent_of(session),
        request_id=request_id,
        user_id=user_id,
        purpose=str(purpose),
        status=status,
        amount_cents=amount_cents,
        currency=currency.lower(),
        error_message=error_message,
    )


def _outcome(event_type: str, session: Mapping[str, Any]) -> tuple[Status, str | None]:
    match session.get("payment_status"), event_type:
        case "paid", _:
            return Status.PAYMENT_SUCCEEDED, None
        case "no_payment_required", _:
            raise Held("no payment was required, so there is nothing to credit")
        case "unpaid", "checkout.session.completed" if session.get("status") != "open":
            return Status.PAYMENT_PROCESSING, None
        case "unpaid", "checkout.session.async_payment_failed":
            return Status.PAYMENT_FAILED, "The payment failed."
        case "unpaid", "checkout.session.expired":
            return Status.SESSION_EXPIRED, "The session expired before it was paid."
        case _:
            raise Held(f"payment_status does not go with {event_type}")


def row_for(reported: SessionReport, row: Transaction) -> str:
    """The request_id of the row that the report is about: the row found, or, for a second payment of the same
    request, one of its own. Raises Ignored or Held."""
    if row.user_id != reported.user_id:
        raise Held("metadata.user_id names another user than the transaction's")
    if row.stripe_session_id in (None, reported.session_id):
        return row.request_id
    if not reported.is_paid:
        raise Ignored("another session of a known request, not paid")
    own = request_identifier(f"{row.request_id}:{reported.session_id}")
    if own is None:
        raise Held(f"request_id and session id together exceed {MAX_IDENTIFIER_LENGTH} characters")
    return own
