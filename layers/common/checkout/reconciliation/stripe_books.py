"""Keep a copy of Stripe's books of our payments, for `verify` to compare ours with."""

import time

from checkout.base import telemetry
from checkout.base.errors import StripeObjectMissing, StripeRefusedForGood
from checkout.base.postgres import Database
from checkout.payments.stripe_api import StripeApi
from checkout.reconciliation import stripe_books_table as stripe_books
from checkout.reconciliation.balance_transaction import BookedMovement, movement
from checkout.reconciliation.stripe_lists import Page, StripeList

LIST = "stripe_balance_transactions"
SETTLED_AFTER_SECONDS = 1800
REREAD_A_RUN = 200
REREAD_AFTER_SECONDS = 6 * 3600


class StripeBooks:
    def __init__(self, checkout: Database, stripe: StripeApi, app_id: str) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._app_id = app_id

    def copy(self, *, deadline: float) -> bool:
        """Store what is new since the last complete reading, until time.monotonic() passes `deadline`, and
        read again what was pending.

        Returns False if the next run goes on with the list. Raises DatabaseUnavailable, StripeError.
        """
        pages = StripeList(self._checkout, LIST, self._page, deadline=deadline)
        for page in pages:
            self._store(page)
        self._reread_pending(deadline)
        return pages.complete

    def _reread_pending(self, deadline: float) -> None:
        """Stripe books a bank debit before the bank has answered, and its list does not say what became of
        it, so each is read again, but not before our own payment has come to an end."""
        with self._checkout.transaction() as tx:
            pending = stripe_books.claim_pending(tx, after_seconds=REREAD_AFTER_SECONDS, limit=REREAD_A_RUN)
        for transaction_id in pending:
            if time.monotonic() > deadline:
                return
            self._store(self._read(transaction_id))

    def _store(self, page: Page) -> None:
        listed: dict[str, BookedMovement] = {}
        undone: dict[str, BookedMovement] = {}
        for entry in page:
            moved = movement(entry, self._app_id)
            if moved is None:
                continue
            listed[moved.id] = moved
            if moved.is_ours and moved.undone_by is not None:
                # In the list its source may be missing, and with it the payment.
                for one in self._read(moved.undone_by):
                    if (back := movement({**one, "source": entry["source"]}, self._app_id)) is not None:
                        undone[back.id] = back
        with self._checkout.transaction() as tx:
            # Each once, although the page may list what was read, too.
            found = list((listed | undone).values())
            stripe_books.store(tx, found, settled_after_seconds=SETTLED_AFTER_SECONDS)

    def _read(self, transaction_id: str) -> Page:
        """A page with this balance transaction; an empty one if Stripe does not show it."""
        try:
            return [self._stripe.balance_transaction(transaction_id)]
        except (StripeObjectMissing, StripeRefusedForGood) as error:
            telemetry.logger.warning(
                "a balance transaction cannot be read",
                extra={"id": transaction_id, "reason": error.detail},
            )
            return []

    def _page(self, since: int, after: str | None) -> tuple[Page, bool]:
        return self._stripe.balance_transactions(since=since, starting_after=after)
