"""CheckoutFinishedEvent, the contract of the topic `checkout.finished`."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from checkout.domain import strict_json
from checkout.domain.effects import DIRECTIONS, TOP_UP, WITHOUT_EFFECT, Effect, reversal_key, success_key
from checkout.domain.text import identifier, is_storable, positive_bigint, request_identifier

TOPIC = "checkout.finished"


class Unprocessable(ValueError):
    """A record that can never be applied; the text is the reason it is parked with."""


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
        )


def decoded(value: bytes, default_currency: str) -> CheckoutFinishedEvent:
    """The event in a record's value. Unknown fields are ignored; a missing or null currency or purpose is the
    default. Raises Unprocessable, naming the field, for what can never work."""
    try:
        fields = strict_json.object_from(value)
    except strict_json.NotJson as error:
        raise Unprocessable(str(error)) from error

    request_id = request_identifier(fields.get("request_id"))
    if request_id is None:
        raise Unprocessable("request_id must be a text of 1 to 255 characters")
    user_id = positive_bigint(fields.get("user_id"))
    if user_id is None:
        raise Unprocessable("user_id must be an integer from 1 to 2^63-1")
    amount_cents = positive_bigint(fields.get("amount_cents"))
    if amount_cents is None:
        raise Unprocessable("amount_cents must be an integer from 1 to 2^63-1")
    status = fields.get("status")
    if not isinstance(status, str) or (status not in DIRECTIONS and status not in WITHOUT_EFFECT):
        raise Unprocessable("status is missing or unknown")
    return CheckoutFinishedEvent(
        request_id=request_id,
        user_id=user_id,
        amount_cents=amount_cents,
        currency=(_identifier(fields, "currency") or default_currency).lower(),
        purpose=_identifier(fields, "purpose") or TOP_UP,
        status=status,
        session_id=_identifier(fields, "session_id"),
        session_url=_text(fields, "session_url"),
        payment_intent_id=_identifier(fields, "payment_intent_id"),
        error_message=_text(fields, "error_message"),
        timestamp=_text(fields, "timestamp") or iso_utc(datetime.now(UTC)),
        event_id=_identifier(fields, "event_id"),
        source_id=_identifier(fields, "source_id"),
    )


def iso_utc(moment: datetime) -> str:
    """ISO 8601 in UTC to the millisecond, as every contract of ours writes times."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not is_storable(value):
        raise Unprocessable(f"{name} must be a text without NUL or lone surrogates, or null")
    return value


def _identifier(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if identifier(value) is None:
        raise Unprocessable(f"{name} must be a text of 1 to 255 characters, or null")
    return str(value)
