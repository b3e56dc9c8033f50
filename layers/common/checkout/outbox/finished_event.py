"""CheckoutFinishedEvent, the contract of the topic `checkout.finished`."""

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta, MsgspecError, Struct
from msgspec.json import Decoder, encode

from checkout.base.text import MAX_BIGINT, MAX_IDENTIFIER_LENGTH
from checkout.base.user_ids import UserIds
from checkout.outbox.effects import (
    DIRECTIONS,
    TOP_UP,
    WITHOUT_EFFECT,
    Effect,
    paid_by,
    reversal_key,
    success_key,
)
from checkout.outbox.fields import Fields, Unprocessable, reads_records

TOPIC = "checkout.finished"
CONSUMER_GROUP = "checkout-finished-consumer"

Identifier = Annotated[str, Meta(min_length=1, max_length=MAX_IDENTIFIER_LENGTH)]
Positive = Annotated[int, Meta(ge=1, le=MAX_BIGINT)]
Total = Annotated[int, Meta(ge=0, le=MAX_BIGINT)]


class CheckoutFinishedEvent(Struct, frozen=True, gc=False, kw_only=True):
    """`amount_cents` is what moves the balance, in positive minor units; `status` says the direction. In
    `session_created` and `failed` it is the price, and with another purpose than the balance what was paid.
    `timestamp` is ISO 8601 UTC."""

    request_id: Identifier
    user_id: Positive | Identifier
    amount_cents: Positive
    currency: Identifier
    purpose: Identifier
    status: str
    session_id: Identifier | None = None
    session_url: str | None = None
    payment_intent_id: Identifier | None = None
    error_message: str | None = None
    timestamp: Annotated[str, Meta(min_length=1)]
    event_id: Identifier | None = None
    source_id: Identifier | None = None
    dispute_id: Identifier | None = None
    """Stripe's `dp_…`. Each balance transaction of a dispute is a `source_id` of its own."""
    paid_cents: Total | None = None
    tax_cents: Total | None = None
    discount_cents: Total | None = None
    """Of a `success`: what was paid, the tax in it, and what was left out of it."""
    reversed_cents: Positive | None = None
    """Of a reversal: the money that Stripe took back or returned."""

    def encoded(self) -> bytes:
        """The record's value; its key is the text of `user_id`."""
        return encode(self)

    @property
    @reads_records
    def effect(self) -> Effect | None:
        """The movement this event asks for; None if it asks for none. Raises Unprocessable."""
        if self.status not in DIRECTIONS or self.purpose != TOP_UP:
            return None
        payment_intent_id = self.payment_intent_id
        if self.status == "success":
            effect_key = success_key(self.request_id)
            payment_intent_id = paid_by(payment_intent_id, self.session_id, self.paid_cents)
        elif self.source_id is None:
            raise Unprocessable(f"source_id is missing: a {self.status} event needs it")
        else:
            effect_key = reversal_key(self.status, self.source_id)
        return Effect(
            effect_key=effect_key,
            user_id=self.user_id,
            amount_cents=DIRECTIONS[self.status] * self.amount_cents,
            currency=self.currency,
            kind=self.status,
            request_id=self.request_id,
            source_id=self.source_id,
            payment_intent_id=payment_intent_id,
            dispute_id=self.dispute_id,
        )


_DECODER = Decoder(CheckoutFinishedEvent)
_STATUSES = frozenset(DIRECTIONS) | WITHOUT_EFFECT
_BACKSLASH = ord("\\")


@reads_records
def decoded(value: bytes, default_currency: str, user_ids: UserIds) -> CheckoutFinishedEvent:
    """The event in a record's value. Unknown fields are ignored; a missing or null currency or purpose is the
    default. Raises Unprocessable, naming the field, for what can never work."""
    return _as_written_by_us(value, user_ids) or _of_any_producer(value, default_currency, user_ids)


def _as_written_by_us(value: bytes, user_ids: UserIds) -> CheckoutFinishedEvent | None:
    """The event, if these bytes are what `encoded` writes for it: then no key came twice, and no field is
    missing or unknown. The slower reader also handles values with an escape (NUL, half of a surrogate pair),
    and identifiers that are not in lower case."""
    try:
        event = _DECODER.decode(value)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    is_ours = (
        encode(event) == value
        and _BACKSLASH not in value
        and event.status in _STATUSES
        and event.user_id == user_ids.from_json(event.user_id)
        and event.request_id.lower() == event.request_id
        and event.currency.lower() == event.currency
    )
    return event if is_ours else None


def _of_any_producer(value: bytes, default_currency: str, user_ids: UserIds) -> CheckoutFinishedEvent:
    fields = Fields(value)
    status = fields["status"]
    if not isinstance(status, str) or status not in _STATUSES:
        raise Unprocessable("status is missing or unknown")
    return CheckoutFinishedEvent(
        request_id=fields.request_id,
        user_id=fields.user_id(user_ids),
        amount_cents=fields.positive_integer("amount_cents"),
        currency=fields.identifier_in_lower_case("currency") or default_currency,
        purpose=fields.identifier("purpose") or TOP_UP,
        status=status,
        session_id=fields.identifier("session_id"),
        session_url=fields.text("session_url"),
        payment_intent_id=fields.identifier("payment_intent_id"),
        error_message=fields.text("error_message"),
        timestamp=fields.text("timestamp") or iso_utc(datetime.now(UTC)),
        event_id=fields.identifier("event_id"),
        source_id=fields.identifier("source_id"),
        dispute_id=fields.identifier("dispute_id"),
        paid_cents=fields.total("paid_cents"),
        tax_cents=fields.total("tax_cents"),
        discount_cents=fields.total("discount_cents"),
        reversed_cents=None
        if fields["reversed_cents"] is None
        else fields.positive_integer("reversed_cents"),
    )


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, as every contract of ours writes times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(timestamp: str) -> int | None:
    """The age in seconds of an ISO 8601 timestamp, never negative; None if it is not a timestamp."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, int((datetime.now(UTC) - moment).total_seconds()))
