"""CheckoutFinishedEvent, the contract of the topic `checkout.finished`."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from checkout.outbox.effects import DIRECTIONS, TOP_UP, WITHOUT_EFFECT, Effect, reversal_key, success_key
from checkout.outbox.fields import Fields, Unprocessable

TOPIC = "checkout.finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutFinishedEvent:
    """`amount_cents` is positive minor units; `status` says the direction. `timestamp` is ISO 8601 UTC."""

    request_id: str
    user_id: int
    amount_cents: int
    currency: str
    purpose: str
    status: str
    session_id: str | None = None
    session_url: str | None = None
    payment_intent_id: str | None = None
    error_message: str | None = None
    timestamp: str
    event_id: str | None = None
    source_id: str | None = None
    dispute_id: str | None = None
    """Stripe's `dp_…`. Each balance transaction of a dispute is a `source_id` of its own."""

    def encoded(self) -> bytes:
        """The record's value; its key is `user_id` in decimal."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def effect(self) -> Effect | None:
        """The movement this event asks for; None where it asks for none."""
        if self.status not in DIRECTIONS or self.purpose != TOP_UP:
            return None
        if self.status == "success":
            effect_key = success_key(self.request_id)
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
            payment_intent_id=self.payment_intent_id,
            dispute_id=self.dispute_id,
        )


def decoded(value: bytes, default_currency: str) -> CheckoutFinishedEvent:
    """The event in a record's value. Unknown fields are ignored; a missing or null currency or purpose is the
    default. Raises Unprocessable, naming the field, for what can never work."""
    fields = Fields(value)
    status = fields["status"]
    if not isinstance(status, str) or (status not in DIRECTIONS and status not in WITHOUT_EFFECT):
        raise Unprocessable("status is missing or unknown")
    return CheckoutFinishedEvent(
        request_id=fields.request_id,
        user_id=fields.positive_integer("user_id"),
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
    )


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, as every contract of ours writes times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_since(timestamp: str) -> int | None:
    """Of an event's ISO 8601 timestamp, never negative; None where it is none."""
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, int((datetime.now(UTC) - moment).total_seconds()))
