"""An idempotency key that another request of ours uses at Stripe at this moment."""

import time
from collections.abc import Callable
from typing import TypeVar

from checkout.base import timing
from checkout.base.errors import StripeKeyInUse

Answer = TypeVar("Answer")


def wait_out(ask: Callable[[], Answer], meanwhile: Callable[[], Answer | None] = lambda: None) -> Answer:
    """What `ask` returns once no other request uses its key; or, between two attempts, what `meanwhile` has
    found instead.

    Raises what `ask` raises, StripeKeyInUse only after timing.KEY_IN_USE.
    """
    give_up_at = time.monotonic() + timing.KEY_IN_USE
    while True:
        try:
            return ask()
        except StripeKeyInUse:
            if time.monotonic() > give_up_at:
                raise
        time.sleep(timing.KEY_IN_USE_PAUSE)
        if (found := meanwhile()) is not None:
            return found
