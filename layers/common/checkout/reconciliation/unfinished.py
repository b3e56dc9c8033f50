"""Payments that nobody finished: sessions past their expiry, payments that have been processing for long,
rows for which Stripe never answered. Stripe is asked what has become of them.

Each is claimed before Stripe is asked, so parallel runs do not ask twice; if the process dies then, Stripe is
asked again when the claim has expired. Each claim of a row lasts twice as long as the one before, so rows
that stay unfinished do not crowd out the others.
"""

import time
from collections.abc import Mapping
from typing import Any

from checkout.base import telemetry
from checkout.base.errors import (
    CheckoutError,
    ConfigurationError,
    DatabaseUnavailable,
    StripeError,
    StripeObjectMissing,
)
from checkout.base.postgres import Database
from checkout.payments.events import StripeEvents
from checkout.payments.outcomes import Applied, Ignored, Parked
from checkout.payments.payment import Payment, Status
from checkout.payments.stripe_api import StripeApi
from checkout.payments.stripe_object import payment_intent_of
from checkout.reconciliation import unfinished_table as table
from checkout.reconciliation.failures import Failures, reason_of
from checkout.sessions.create import CreateSession

MOST_PER_RUN = 200
EXPIRED_FOR_SECONDS = 300
PENDING_FOR_SECONDS = 600
PROCESSING_FOR_SECONDS = 6 * 3600
CLAIMED_FOR_SECONDS = 3600
CLAIMED_AT_MOST_SECONDS = 24 * 3600

UNKNOWN_AFTER_CLAIMS = 5
"""After so many, over more than half a day, a session that Stripe does not know does not exist."""

UNKNOWN_FOR_SECONDS = 30 * 24 * 3600


class Unfinished:
    def __init__(
        self, checkout: Database, stripe: StripeApi, events: StripeEvents, create_session: CreateSession
    ) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._events = events
        self._create_session = create_session

    def __call__(self, *, deadline: float, failures: Failures, dry_run: bool = False) -> int:
        """Ask Stripe about at most 200, until time.monotonic() passes `deadline`. Returns about how many.
        Raises DatabaseUnavailable."""
        if time.monotonic() > deadline:
            return 0  # What is claimed now would be lost to later runs.
        with self._checkout.transaction(commit=not dry_run) as tx:
            claimed = table.claim(
                tx,
                expired_for_seconds=EXPIRED_FOR_SECONDS,
                pending_for_seconds=PENDING_FOR_SECONDS,
                processing_for_seconds=PROCESSING_FOR_SECONDS,
                claim_seconds=CLAIMED_FOR_SECONDS,
                at_most_seconds=CLAIMED_AT_MOST_SECONDS,
                limit=MOST_PER_RUN,
            )
        if dry_run:
            return len(claimed)
        asked = 0
        for row, claims in claimed:
            if time.monotonic() > deadline:
                break
            asked += 1
            telemetry.correlate(row.request_id)
            self._ask(row, claims, failures)
        telemetry.uncorrelate()
        return asked

    def _ask(self, row: Payment, claims: int, failures: Failures) -> None:
        try:
            self._finish(row)
        except StripeObjectMissing as reason:
            if claims < UNKNOWN_AFTER_CLAIMS:
                telemetry.logger.warning("still unfinished", extra={"reason": reason.detail})
                return
            telemetry.alert(
                "UnfinishedTransaction", "Stripe does not know it", session_id=row.stripe_session_id
            )
            with self._checkout.transaction() as tx:
                table.leave(tx, row.request_id, UNKNOWN_FOR_SECONDS)
        except StripeError as error:
            if row.status is not Status.SESSION_PENDING:
                failures.skip(f"payment {row.request_id}", error)
                return
            # Nobody has its session, so nobody has paid there.
            telemetry.logger.warning("still unfinished", extra={"reason": error.detail})
        except DatabaseUnavailable as error:
            failures.skip(f"payment {row.request_id}", error)
        except ConfigurationError:
            raise
        except CheckoutError as reason:
            telemetry.alert("UnfinishedTransaction", "cannot be finished", reason=str(reason))
        except Exception as error:  # noqa: BLE001 - the other payments have nothing to do with it
            telemetry.alert(
                "UnfinishedTransaction",
                "cannot be finished",
                reason=reason_of(error),
                **telemetry.origin(error),
            )

    def _finish(self, row: Payment) -> None:
        if row.status is Status.SESSION_PENDING:
            self._create_session.complete(row)
        elif row.stripe_session_id is not None:
            session = self._stripe.session(row.stripe_session_id)
            event_type = self._what_happened(session)
            if event_type is not None:
                outcome = self._events.observe(event_type, session)
                if isinstance(outcome, Ignored | Parked):
                    telemetry.alert("UnfinishedTransaction", "cannot be finished", reason=outcome.reason)
                elif not isinstance(outcome, Applied):
                    telemetry.logger.warning("still unfinished", extra={"reason": outcome.reason})

    def _what_happened(self, session: Mapping[str, Any]) -> str | None:
        """The type of the event that Stripe has sent about a session in this state; None while it is open."""
        match session.get("status"), session.get("payment_status"):
            case "open", _:
                return None
            case "expired", _:
                return "checkout.session.expired"
            case _, "unpaid" if self._has_failed(session):
                return "checkout.session.async_payment_failed"
            case _:
                return "checkout.session.completed"

    def _has_failed(self, session: Mapping[str, Any]) -> bool:
        payment_intent_id = payment_intent_of(session)
        if payment_intent_id is None:
            return False
        intent = self._stripe.payment_intent(payment_intent_id)
        return intent.get("status") in ("requires_payment_method", "canceled")
