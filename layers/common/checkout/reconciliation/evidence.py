"""Succeeded payments without evidence: Stripe is asked before one of them is emitted again.

A row without a stored event or an answer of Stripe's to support it was written by an earlier release, after
it had read the session at Stripe, or by somebody who may write to the table.
"""

import time

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import StripeError, StripeObjectMissing, StripeRefusedForGood
from checkout.base.postgres import Database
from checkout.outbox.effects import TOP_UP
from checkout.payments import session_event
from checkout.payments.outcomes import Parked
from checkout.payments.payment import Payment
from checkout.payments.stripe_api import StripeApi
from checkout.reconciliation import evidence_table as evidence
from checkout.reconciliation.comparisons_table import PAYMENTS
from checkout.reconciliation.failures import Failures

MOST_AT_ONCE = 500


class FindEvidence:
    def __init__(self, checkout: Database, stripe: StripeApi, config: Config) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._config = config

    def __call__(self, *, deadline: float, failures: Failures, dry_run: bool = False) -> int:
        """Ask Stripe about each of them, until time.monotonic() passes `deadline` or Stripe does not answer.
        Returns how many payments were without evidence. Raises DatabaseUnavailable."""
        after = self._config.reemit_after_seconds
        with self._checkout.transaction() as tx:
            rows = evidence.missing(tx, purpose=TOP_UP, after_seconds=after, among=MOST_AT_ONCE)
        for row in [] if dry_run else rows:
            if time.monotonic() > deadline:
                break
            telemetry.correlate(row.request_id)
            try:
                contradiction = self._contradiction(row)
            except StripeError as error:
                failures.skip(f"evidence of {row.request_id}", error)
                break
            self._keep(row, contradiction)
        telemetry.uncorrelate()
        return len(rows)

    def _contradiction(self, row: Payment) -> str | None:
        """How Stripe contradicts the row; None if it does not."""
        if row.stripe_session_id is None:
            return "the row has no session"
        try:
            session = self._stripe.session(row.stripe_session_id)
            reported = session_event.report(
                "checkout.session.completed", session, self._checkout.user_ids, is_read=True
            )
        except (StripeObjectMissing, StripeRefusedForGood):
            return "Stripe knows no such session"
        if isinstance(reported, Parked):
            return reported.reason
        if not reported.is_paid:
            return f"the session is {reported.status}"
        return session_event.difference(reported, row)

    def _keep(self, row: Payment, contradiction: str | None) -> None:
        with self._checkout.transaction() as tx:
            if contradiction is None:
                evidence.found(tx, row.request_id)
                return
            PAYMENTS.retry_later(tx, [row.request_id], after_seconds=self._config.reemit_after_seconds)
            telemetry.alert(
                "PaymentWithoutEvidence",
                "a row says that a payment succeeded, and Stripe does not; it is not credited",
                reason=contradiction,
            )
