"""Our payments and reversals against Stripe's own books, a range of payments at a time."""

from collections.abc import Callable

from checkout.base.postgres import Cursor, Database
from checkout.operations import invariants
from checkout.operations.findings import Finding, Findings
from checkout.reconciliation import stripe_books_table as stripe_books
from checkout.reconciliation import stripe_lists as passes
from checkout.reconciliation.stripe_books import CURSOR
from checkout.reconciliation.stripe_books_table import FIRST_PAYMENT, BooksRead, Payments


class BooksAudit:
    START = FIRST_PAYMENT

    def __init__(self, checkout: Database, livemode: Callable[[], bool]) -> None:
        """`livemode` is that of Stripe's key; it is asked only if its books were read."""
        self._checkout = checkout
        self._livemode = livemode

    @staticmethod
    def findings() -> list[Finding]:
        return [
            Finding("TotalsDifferFromStripe", is_offence=True),
            Finding("UnknownMovementAtStripe", is_offence=True),
        ]

    def range(self, after: str, findings: Findings) -> str | None:
        """Check the payments behind the payment intent `after`; returns the last of them, or None if there
        are no more. Raises DatabaseUnavailable."""
        with self._checkout.transaction() as cursor:
            invariants.take_time(cursor)
            read = _read(cursor)
            if read is None:
                return None
            payments = Payments(after, stripe_books.end_of_range(cursor, after))
            if unequal := stripe_books.unequal(cursor, payments):
                for row in stripe_books.differing(cursor, unequal, read, livemode=self._livemode()):
                    findings.add("TotalsDifferFromStripe", row)
                for row in stripe_books.unknown(cursor, unequal):
                    findings.add("UnknownMovementAtStripe", row)
        return payments.upto


def _read(cursor: Cursor) -> BooksRead | None:
    """None if they were never read."""
    until = passes.read_until(cursor, CURSOR)
    if until is None:
        return None
    begin = stripe_books.begin(cursor)
    # Books with nothing in them were read from as far back as Stripe lists.
    return BooksRead(until - passes.STRIPE_KEEPS_SECONDS if begin is None else begin, until)
