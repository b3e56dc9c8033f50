"""Keep a copy of Stripe's books of our payments, for `verify` to compare ours with."""

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
        walk = passes.Walk(self._checkout, CURSOR, self._page, deadline=deadline)
        for page in walk:
            found = [moved for entry in page if (moved := movement(entry, self._app_id)) is not None]
            with self._checkout.transaction() as cursor:
                stripe_books.store(cursor, found, settled_after_seconds=SETTLED_AFTER_SECONDS)
        return walk.complete

    def _page(self, since: int, after: str | None) -> tuple[passes.Page, bool]:
        return self._stripe.balance_transactions(since=since, starting_after=after)
