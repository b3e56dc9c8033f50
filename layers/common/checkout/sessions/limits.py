"""How much a user may begin to pay."""

import math

from checkout.base.config import Config
from checkout.base.errors import TooManyRequests
from checkout.base.postgres import Transaction
from checkout.outbox.finished_event import iso_utc
from checkout.sessions import table

HOUR_SECONDS = 3600


def enforce(tx: Transaction, config: Config, user_id: int, amount_cents: int) -> None:
    """Raises TooManyRequests, naming the limit and when it ends, unless one more payment fits into all of
    them.

    The caller holds the user's lock until its row is committed, so that parallel requests count each other.
    A day is one of UTC, and a payment belongs to the day it was begun. Payments that failed or expired do not
    count; one that may still be paid counts as asked, and a succeeded one as paid, whatever was refunded. A
    known request is never asked about here, not even one whose session failed and is tried again.
    """
    most_open = config.max_open_sessions_per_hour
    open_now, free_in = table.open_since(tx, user_id, HOUR_SECONDS)
    if open_now >= most_open:
        raise TooManyRequests(
            f"At most {most_open} payments may be open in an hour; finish one of them, or try again later.",
            retry_after=max(1, int(free_in) + 1),
        )
    most_cents, most_payments = config.daily_amount_cents_limit, config.daily_count_limit
    if most_cents is None and most_payments is None:
        return
    day = table.day_of_user(tx, user_id)
    reached = None
    if most_payments is not None and day.payments >= most_payments:
        reached = f"Payments begun in a day: at most {most_payments}"
    elif most_cents is not None and day.amount_cents + amount_cents > most_cents:
        left = max(0, most_cents - day.amount_cents)
        reached = f"Cents paid in a day: at most {most_cents}, of which {left} are left"
    if reached is not None:
        raise TooManyRequests(
            f"{reached}; the day ends at {iso_utc(day.ends_at)}.",
            retry_after=max(1, math.ceil((day.ends_at - day.now).total_seconds())),
        )
