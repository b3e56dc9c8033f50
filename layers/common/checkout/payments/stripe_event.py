"""The envelope of a Stripe event."""

import json
from dataclasses import dataclass
from typing import Any, Never

from checkout.base.text import identifier


class NotAnEvent(ValueError):
    """The bytes are not a Stripe event; the text says why and is safe to show."""


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """`object` is the resource as Stripe sent it (empty in a thin event); `payload` the whole event as text.

    `account` is the connected account that the event is of, and `context` the account as an organisation's
    destination names it; both are None for an event of the account whose key we have.
    """

    id: str
    type: str
    livemode: bool
    api_version: str | None
    object: dict[str, Any]
    payload: str
    account: str | None = None
    context: str | None = None
    is_thin: bool = False
    """True if it has no resource, but says where one is: https://docs.stripe.com/event-destinations#thin-events"""


THIN = "v2.core.event"
API_VERSION = "2026-10-28.endive"
"""How we have Stripe describe its objects, in events and answers."""


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def parsed(body: bytes) -> StripeEvent:
    """Raises NotAnEvent unless there are `id`, `type` and, except in a thin event, `data.object`."""
    try:
        payload = body.decode("utf-8")
        event = json.loads(payload, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NotAnEvent("the body is not JSON") from error
    if not isinstance(event, dict):
        raise NotAnEvent("the body is not a JSON object")
    event_id, event_type = identifier(event.get("id")), identifier(event.get("type"))
    if event_id is None or event_type is None:
        raise NotAnEvent("id and type must be texts of 1 to 255 characters")
    data = event.get("data")
    is_thin = event.get("object") == THIN
    resource = {} if is_thin else data.get("object") if isinstance(data, dict) else None
    if not isinstance(resource, dict):
        raise NotAnEvent("data.object is missing")
    return StripeEvent(
        id=event_id,
        type=event_type,
        livemode=bool(event.get("livemode")),
        api_version=_text(event.get("api_version")),
        object=resource,
        payload=payload,
        account=_text(event.get("account")),
        context=_text(event.get("context")),
        is_thin=is_thin,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
