"""Keep a copy of Stripe's books of our payments, for `verify` to compare ours with."""

import time

from checkout.adapters import stripe_books
from checkout.adapters.postgres import Database
from checkout.adapters.stripe_api import StripeApi
from checkout.domain.balance_transaction import movement
from checkout.services import passes

CURSOR = "stripe_balance_transactions"
SETTLED_AFTER_SECONDS = 1800


class StripeBooks:
    def __init__(self, checkout: Database, stripe: StripeApi, app_id: str) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._app_id = app_id

    def copy(self, *, deadline: float) -> bool:
        """What is new since the last complete pass, page by page, until time.monotonic() passes `deadline`.

        Returns whether it is complete; if not, the next run goes on. Raises DatabaseUnavailable, StripeError.
        """
        current = passes.begin(self._checkout, CURSOR)
        while True:
            page, has_more = self._stripe.balance_transactions(
                since=current.since, starting_after=current.after
            )
            current.after = page[-1]["id"] if has_more else None
            found = [moved for entry in page if (moved := movement(entry, self._app_id)) is not None]
            with self._checkout.transaction() as cursor:
                stripe_books.store(cursor, found, settled_after_seconds=SETTLED_AFTER_SECONDS)
                passes.save(cursor, CURSOR, current)
            if not has_more:
                return True
            if time.monotonic() > deadline:
                return False
