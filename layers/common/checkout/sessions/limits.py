"""How much a user may begin to pay. Pure."""

import math
from datetime import datetime
from typing import NamedTuple

from checkout.base.config import Config
from checkout.base.errors import TooManyRequests
from checkout.outbox.finished_event import iso_utc


class Usage(NamedTuple):
    """What a user has begun to pay, as far as limits count it."""

    latest_id: int
    """The id of the user's newest payment; 0 if there is none."""

    open_payments: int
    """Begun within the last hour, and not finished."""

    seconds_open: float
    """In how many seconds the oldest of these will be an hour old; 0 if there is none."""

    day_payments: int
    """Begun in the current UTC day, without those that failed or expired."""

    day_cents: int
    """The sum of these: as paid, or as asked while they may still be paid and if nothing was to be paid."""

    day_ends_at: datetime
    seconds_left: float
    """Of the day."""


def enforce(usage: Usage, config: Config, amount_cents: int) -> None:
    """Raises TooManyRequests, naming the limit and when it ends, unless one more payment of this amount fits
    into all of them.

    A succeeded payment counts as paid, whatever was refunded, and a free one as what its price was: else
    who has a code for 100 % could have any number. A known request is never counted again, not
    even one whose session failed and is tried again.
    """
    most_open = config.max_open_sessions_per_hour
    if usage.open_payments >= most_open:
        raise TooManyRequests(
            f"At most {most_open} payments may be open in an hour; finish one of them, or try again later.",
            retry_after=max(1, int(usage.seconds_open) + 1),
        )
    most_cents, most_payments = config.daily_amount_cents_limit, config.daily_count_limit
    reached = None
    if most_payments is not None and usage.day_payments >= most_payments:
        reached = f"Payments begun in a day: at most {most_payments}"
    elif most_cents is not None and usage.day_cents + amount_cents > most_cents:
        left = max(0, most_cents - usage.day_cents)
        reached = f"Cents paid in a day: at most {most_cents}, of which {left} are left"
    if reached is not None:
        raise TooManyRequests(
            f"{reached}; the day ends at {iso_utc(usage.day_ends_at)}.",
            retry_after=max(1, math.ceil(usage.seconds_left)),
        )
