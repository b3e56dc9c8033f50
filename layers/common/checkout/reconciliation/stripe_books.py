"""Keep a copy of Stripe's books of our payments, for `verify` to compare ours with."""

import time

from checkout.base import telemetry
from checkout.base.errors import StripeObjectMissing, StripeRefusedForGood
from checkout.base.postgres import Database
from checkout.payments.stripe_api import StripeApi
from checkout.reconciliation import stripe_books_table as stripe_books
from checkout.reconciliation import stripe_lists as passes
from checkout.reconciliation.balance_transaction import Movement, movement
from checkout.reconciliation.stripe_lists import Page

CURSOR = "stripe_balance_transactions"
SETTLED_AFTER_SECONDS = 1800
REREAD_A_RUN = 200
REREAD_AFTER_SECONDS = 6 * 3600


class StripeBooks:
    def __init__(self, checkout: Database, stripe: StripeApi, app_id: str) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._app_id = app_id

    def copy(self, *, deadline: float) -> bool:
        """What is new since the last complete pass, page by page, until time.monotonic() passes `deadline`;
        and what became of what was pending.

        Returns whether it is complete; if not, the next run goes on. Raises DatabaseUnavailable, StripeError.
        """
        walk = passes.Walk(self._checkout, CURSOR, self._page, deadline=deadline)
        for page in walk:
            self._store(page)
        self._reread_pending(deadline)
        return walk.complete

    def _reread_pending(self, deadline: float) -> None:
        """Stripe books a bank debit before the bank has answered, and does not say in the list what became of
        it: each is asked for, but not before our own payment has come to an end."""
        with self._checkout.transaction() as tx:
            pending = stripe_books.claim_pending(tx, after_seconds=REREAD_AFTER_SECONDS, limit=REREAD_A_RUN)
        for transaction_id in pending:
            if time.monotonic() > deadline:
                return
            self._store(self._read(transaction_id))

    def _store(self, page: Page) -> None:
        found: list[Movement] = []
        for entry in page:
            moved = movement(entry, self._app_id)
            if moved is None:
                continue
            found.append(moved)
            if moved.is_ours and moved.undone_by is not None:
                # In the list it need not say of which payment it is.
                undone = [{**one, "source": entry["source"]} for one in self._read(moved.undone_by)]
                found += [back for one in undone if (back := movement(one, self._app_id)) is not None]
        with self._checkout.transaction() as tx:
            stripe_books.store(tx, found, settled_after_seconds=SETTLED_AFTER_SECONDS)

    def _read(self, transaction_id: str) -> Page:
        """As a page; an empty one if Stripe does not show it."""
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
