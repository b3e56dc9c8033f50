"""Ask Stripe for the events that no webhook brought us.

If the process dies in a page of Stripe's list, the page is read again, and what was recorded is known.
"""

import json
import time
from collections.abc import Sequence
from typing import Any

from checkout.base import telemetry, timing
from checkout.base.errors import DatabaseUnavailable, StripeError, Unavailable
from checkout.base.postgres import Database
from checkout.payments import inbox, stripe_event
from checkout.payments.events import HANDLED, UNHANDLED, StripeEvents
from checkout.payments.outcomes import Waiting
from checkout.payments.stripe_api import StripeApi
from checkout.payments.stripe_event import StripeEvent
from checkout.reconciliation.failures import Failures
from checkout.reconciliation.stripe_lists import Page, StripeList

LIST = "stripe_events"
MOST_RETRIED = 500
DELIVERED_WITHIN_SECONDS = 300
"""The webhook of a newer event may be on its way."""
BUSY = "the database was not available for it; it may be locked"


class MissedEvents:
    def __init__(self, checkout: Database, stripe: StripeApi, events: StripeEvents, app_id: str) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._events = events
        self._app_id = app_id

    def catch_up(
        self,
        *,
        deadline: float,
        failures: Failures,
        since: int | None = None,
        dry_run: bool = False,
    ) -> tuple[int, bool]:
        """Record what we never stored, until Stripe's list is at its end or time.monotonic() passes
        `deadline`. An event whose rows are locked is stored as waiting, and the others are recorded.

        `since` (epoch seconds) reads the list with a position of its own. Returns how many events were
        missing, and False if the next run goes on with the list. Raises DatabaseUnavailable, StripeError.

        `MissedEvents` counts those that a webhook should have brought by then.
        """
        pages = StripeList(self._checkout, LIST, self._page, deadline=deadline, since=since, dry_run=dry_run)
        missing = 0
        for page in pages:
            unknown = self._unknown(page)
            recorded = len(unknown) if dry_run else self._record(unknown, deadline, failures)
            missing += recorded
            # What is older than the stack, or was lost with a restore, no webhook was to bring.
            if since is None and not dry_run and not pages.is_first:
                telemetry.count("MissedEvents", _late(page, unknown[:recorded]))
            if recorded < len(unknown):
                return missing, False  # The rest of the page is read again.
        return missing, pages.complete

    def retry_waiting(self, *, deadline: float, failures: Failures, dry_run: bool = False) -> int:
        """Retry the events that wait, and those that were ignored and are ours now. Returns how many were
        settled. Raises DatabaseUnavailable."""
        with self._checkout.transaction() as tx:
            ids = inbox.to_retry(
                tx,
                unhandled=UNHANDLED,
                handled_types=HANDLED,
                app_id=self._app_id,
                limit=MOST_RETRIED,
            )
        if dry_run:
            return len(ids)
        settled = 0
        for event_id in ids:
            if time.monotonic() > deadline:
                break
            settled += self._retry(event_id, failures)
        return settled

    def _retry(self, event_id: str, failures: Failures) -> bool:
        """Return True if it was settled. The others are retried whatever fails here."""
        try:
            return self._events.retry(event_id) != "waiting"
        except DatabaseUnavailable as error:
            failures.skip(f"event {event_id}", error)
        except Unavailable:
            raise
        except StripeError as error:
            telemetry.logger.warning("not retried", extra={"event_id": event_id, "reason": error.detail})
        except Exception:  # noqa: BLE001 - the other events have nothing to do with it
            telemetry.logger.exception("cannot be retried", extra={"event_id": event_id})
        # Raises if the database is away; it does not if the event is locked.
        with self._checkout.transaction() as tx:
            inbox.put_last(tx, event_id)
        return False

    def _page(self, since: int, after: str | None) -> tuple[Page, bool]:
        return self._stripe.events(since=since, types=sorted(HANDLED), starting_after=after)

    def _unknown(self, page: Page) -> list[StripeEvent]:
        """Events of the page that were never stored, oldest first."""
        with self._checkout.autocommit() as tx:
            known = inbox.known(tx, [event["id"] for event in page])
        missing = (_parsed(event) for event in reversed(page) if event["id"] not in known)
        return [event for event in missing if event is not None]

    def _record(self, events: Sequence[StripeEvent], deadline: float, failures: Failures) -> int:
        """Record them in order, one at least, until time is up. Return how many were recorded."""
        for recorded, event in enumerate(events, start=1):
            try:
                outcome = self._events.record(event, keep_unread=True)
            except DatabaseUnavailable as error:
                failures.skip(f"event {event.id}", error)
                self._keep(event)
            else:
                telemetry.logger.info("missed event", extra={"event_id": event.id, "outcome": outcome})
            if time.monotonic() > deadline + timing.GRACE:
                return recorded
        return len(events)

    def _keep(self, event: StripeEvent) -> None:
        """Store it as waiting, without the locks that its handler takes. Raises DatabaseUnavailable if these
        were not the reason."""
        with self._checkout.transaction() as tx:
            inbox.store(tx, event, Waiting(BUSY))


def _late(page: Page, missing: Sequence[StripeEvent]) -> int:
    ids = {event.id for event in missing}
    latest = time.time() - DELIVERED_WITHIN_SECONDS
    return len([event for event in page if event["id"] in ids and event["created"] < latest])


def _parsed(event: dict[str, Any]) -> StripeEvent | None:
    try:
        return stripe_event.parsed(json.dumps(event).encode())
    except stripe_event.NotAnEvent as reason:
        telemetry.alert(
            "StripeEventHeld",
            "what Stripe lists is not an event",
            event_id=event["id"],
            reason=str(reason),
        )
        return None
