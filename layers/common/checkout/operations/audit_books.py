"""Our payments and reversals against Stripe's own books, a range of payments at a time."""

from collections.abc import Callable

from checkout.base.postgres import Database, Transaction, take_time
from checkout.operations.findings import Findings
from checkout.reconciliation import stripe_books_table as stripe_books
from checkout.reconciliation import stripe_lists
from checkout.reconciliation.stripe_books import LIST
from checkout.reconciliation.stripe_books_table import FIRST_PAYMENT, BooksRead, Payments


class BooksAudit:
    START = FIRST_PAYMENT

    def __init__(self, checkout: Database, livemode: Callable[[], bool]) -> None:
        """`livemode` returns that of Stripe's key; it is called only if Stripe's books were read."""
        self._checkout = checkout
        self._livemode = livemode

    def range(self, after: str, findings: Findings) -> str | None:
        """Check the payments after the payment intent `after`; returns the last of them, or None if there
        are no more. Raises DatabaseUnavailable."""
        with self._checkout.transaction() as tx:
            take_time(tx)
            read = _read(tx)
            if read is None:
                return None
            payments = Payments(after, stripe_books.end_of_range(tx, after))
            if unequal := stripe_books.unequal(tx, payments):
                differing = stripe_books.differing(tx, unequal, read, livemode=self._livemode())
                findings.add("TotalsDifferFromStripe", *differing)
                findings.add("UnknownMovementAtStripe", *stripe_books.unknown(tx, unequal))
        return payments.upto


def _read(tx: Transaction) -> BooksRead | None:
    """The time for which Stripe's books were read; None if they never were."""
    until = stripe_lists.read_until(tx, LIST)
    if until is None:
        return None
    begin = stripe_books.begin(tx)
    # Empty books were read from as far back as Stripe lists.
    return BooksRead(until - stripe_lists.STRIPE_KEEPS_SECONDS if begin is None else begin, until)
