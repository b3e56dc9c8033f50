"""A checkout transaction: one request to top up, and the states its payment goes through.

A state only rises. Stripe's events can arrive in any order, so the highest state any of them proves is the
state of the payment, and every order of the same events ends in the same one.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from checkout.base.errors import InvariantBroken
from checkout.base.text import uuid_in_lower_case
from checkout.base.user_ids import UserId
from checkout.outbox.effects import TOP_UP, Effect, paid_by, success_key
from checkout.payments.price import Price

SMOKE_PAYMENT = "pi_smoke_"
"""How the payment intent of a payment begins that `make smoke` made up: Stripe's books cannot have it."""


class Status(StrEnum):
    """In rising order."""

    SESSION_PENDING = "session_pending"
    SESSION_FAILED = "session_failed"
    SESSION_CREATED = "session_created"
    SESSION_EXPIRED = "session_expired"
    PAYMENT_PROCESSING = "payment_processing"
    PAYMENT_FAILED = "payment_failed"
    PAYMENT_SUCCEEDED = "payment_succeeded"

    def may_become(self, other: "Status") -> bool:
        order = list(Status)
        return order.index(other) > order.index(self)


FINAL = frozenset({Status.SESSION_EXPIRED, Status.PAYMENT_FAILED, Status.PAYMENT_SUCCEEDED})
"""Nobody waits any more. (A payment can still succeed afterwards: money that came is credited.)"""

OPEN = frozenset({Status.SESSION_PENDING, Status.SESSION_CREATED})
"""The customer could still go and pay."""

WITHOUT_PAYMENT = frozenset({Status.SESSION_FAILED, Status.SESSION_EXPIRED, Status.PAYMENT_FAILED})
"""Nothing was paid, and nothing is on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A row of checkout_transactions. `amount_cents` is the price, before tax and discount, and
    `credit_cents` what moves the balance once it is paid; both in minor units, like all of these.

    `paid_cents` is what was paid, with `tax_cents` and less `discount_cents`; `refunded_cents` and
    `disputed_cents` are what Stripe has taken back of it and not returned. In rows of the release before,
    `credit_cents`, `tax_cents` and `discount_cents` are None.
    """

    request_id: str
    user_id: UserId
    amount_cents: int
    currency: str
    purpose: str
    status: Status
    stripe_session_id: str | None
    stripe_session_url: str | None
    payment_intent_id: str | None
    error_message: str | None
    refused_because: str | None
    paid_cents: int | None
    paid_currency: str | None
    paid_event_id: str | None
    credit_cents: int | None
    tax_cents: int | None
    discount_cents: int | None
    refunded_cents: int
    disputed_cents: int
    stripe_parameters: dict[str, Any] | None
    stripe_attempt: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    id: int

    @property
    def is_refused(self) -> bool:
        """Answered `failed` for good: it never gets a session, whatever is paid in one made elsewhere."""
        return self.refusal is not None

    @property
    def refusal(self) -> str | None:
        """Why the request was refused for good; None if it was not."""
        is_over = self.status is Status.SESSION_FAILED and self.completed_at is not None
        return self.error_message if is_over else self.refused_because

    @property
    def payable_url(self) -> str | None:
        """The address of Stripe's page, as long as the session can be paid there."""
        return self.stripe_session_url if self.status is Status.SESSION_CREATED else None

    @property
    def price(self) -> Price:
        """What was asked for. The release before credits the amount itself."""
        return Price(self.amount_cents, self.credit_cents or self.amount_cents)

    @property
    def credited_cents(self) -> int:
        """What moves the balance, of a payment that has succeeded. The release before credits what was paid.

        Raises InvariantBroken for any other.
        """
        cents = self.paid_cents if self.credit_cents is None else self.credit_cents
        if self.paid_cents is None or not cents:
            raise InvariantBroken(f"payment {self.request_id} succeeded without an amount")
        return cents

    @property
    def credit(self) -> Effect | None:
        """What the ledger must have of it; None if it is not paid, or is for another purpose."""
        if self.paid_cents is None or self.paid_currency is None or self.purpose != TOP_UP:
            return None
        return Effect(
            effect_key=success_key(self.request_id),
            user_id=self.user_id,
            amount_cents=self.credited_cents,
            currency=self.paid_currency,
            kind="success",
            request_id=self.request_id,
            source_id=None,
            payment_intent_id=paid_by(self.payment_intent_id, self.stripe_session_id, self.paid_cents),
        )

    @property
    def idempotency_key(self) -> str:
        """Stripe's idempotency key for the current attempt, at most 255 characters.

        A UUID is its own key. Any other request_id may be another application's too in one Stripe account,
        or not fit into a header, so there the digest of what is asked takes its place.
        """
        key = self.request_id
        if uuid_in_lower_case(key) is None:
            key = sha256(json.dumps(self.stripe_parameters, sort_keys=True).encode()).hexdigest()
        return key if self.stripe_attempt == 1 else f"{key}:{self.stripe_attempt}"
