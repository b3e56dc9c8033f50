"""What becomes of a Stripe event."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Outcome:
    """`stored_as` is its name in stripe_events; `request_id` that of the payment that the event is about."""

    reason: str | None = None
    request_id: str | None = None
    app_id: str | None = None
    """The `checkout_app` of an event of another application's: retried if that is ours after all."""

    stored_as: ClassVar[str]


class Applied(Outcome):
    """The payment is what the event says, or further on."""

    __slots__ = ()
    stored_as = "applied"


class Ignored(Outcome):
    """Not ours, or without meaning for us: acknowledged."""

    __slots__ = ()
    stored_as = "ignored"


class Waiting(Outcome):
    """Its time has not come: retried by every run of the reconciler."""

    __slots__ = ()
    stored_as = "waiting"


class Behind(Waiting):
    """What Stripe answers is older than its own event. It is parked if that does not end within a day."""

    __slots__ = ()


class Unseen(Waiting):
    """Stripe does not show its object, which may be another account's. It is ignored if that does not end
    within an hour."""

    __slots__ = ()


class Parked(Outcome):
    """Ours, but it cannot be applied: kept, loud, replayable."""

    __slots__ = ()
    stored_as = "held"


class Unconfirmed:
    """The signed body alone does not decide: Stripe is asked, and its answer takes the place of the body."""
