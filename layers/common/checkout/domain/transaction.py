"""A checkout transaction: one request to top up, and the states its payment goes through.

A state only rises. Stripe's events can arrive in any order, so the highest state any of them proves is the
state of the payment, and every order of the same events ends in the same one.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A row of checkout_transactions. `amount_cents` is what was asked, `paid_cents` what was paid."""

    request_id: str
    user_id: int
    amount_cents: int
    currency: str
    purpose: str
    status: Status
    stripe_session_id: str | None
    stripe_session_url: str | None
    payment_intent_id: str | None
    error_message: str | None
    paid_cents: int | None
    paid_currency: str | None
    paid_event_id: str | None
    stripe_parameters: dict[str, Any] | None
    stripe_attempt: int
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    id: int

    @property
    def idempotency_key(self) -> str:
        """Stripe's idempotency key for the current attempt; ≤ 255 characters for the ids that we let in."""
        return self.request_id if self.stripe_attempt == 1 else f"{self.request_id}:{self.stripe_attempt}"
