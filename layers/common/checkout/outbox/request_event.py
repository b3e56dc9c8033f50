"""CheckoutRequestEvent, the contract of the topic `checkout.requests`."""

import json
from dataclasses import asdict, dataclass

from checkout.base.user_ids import UserId, UserIds
from checkout.outbox.effects import TOP_UP
from checkout.outbox.fields import Fields, reads_records

TOPIC = "checkout.requests"
CONSUMER_GROUP = "checkout-requests-consumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRequestEvent:
    """Asks for a Checkout session. None = not said: the balance's currency, our own page."""

    request_id: str
    user_id: UserId
    amount_cents: int
    currency: str | None = None
    purpose: str = TOP_UP
    timestamp: str | None = None
    success_url: str | None = None
    cancel_url: str | None = None

    def encoded(self) -> bytes:
        """The record's value; its key is the text of `user_id`."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()


@reads_records
def decoded(value: bytes, user_ids: UserIds) -> CheckoutRequestEvent:
    """The event in a record's value. Required: request_id, user_id, amount_cents.

    Raises Unprocessable, naming the field, for what can never work.
    """
    fields = Fields(value)
    return CheckoutRequestEvent(
        request_id=fields.request_id,
        user_id=fields.user_id(user_ids),
        amount_cents=fields.positive_integer("amount_cents"),
        currency=fields.identifier_in_lower_case("currency"),
        purpose=fields.identifier("purpose") or TOP_UP,
        timestamp=fields.text("timestamp"),
        success_url=fields.text("success_url"),
        cancel_url=fields.text("cancel_url"),
    )
