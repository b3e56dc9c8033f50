"""Ask Stripe for the events that no webhook brought us.

If the process dies in a page of Stripe's list, the page is read again, and what was recorded is known.
"""

import json
import time

from checkout import telemetry
from checkout.adapters import inbox
from checkout.adapters.postgres import Database
from checkout.adapters.stripe_api import StripeApi
from checkout.domain import stripe_event
from checkout.errors import StripeError, Unavailable
from checkout.services import passes
from checkout.services.stripe_events import HANDLED, UNHANDLED, StripeEvents

CURSOR = "stripe_events"
MOST_TRIED_AGAIN = 500


class MissedEvents:
    def __init__(self, checkout: Database, stripe: StripeApi, events: StripeEvents) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._events = events

    def catch_up(
        self, *, deadline: float, since: int | None = None, dry_run: bool = False
    ) -> tuple[int, bool]:
        """Record what we never stored, until Stripe's list is at its end or time.monotonic() passes
        `deadline`.

        `since` (epoch seconds) makes a pass of its own, whatever the last one saw. Returns how many events
        were missing, and whether the pass is complete. Raises DatabaseUnavailable, StripeError.
        """
        walk = passes.Walk(
            self._checkout, CURSOR, self._page, deadline=deadline, since=since, dry_run=dry_run
        )
        missing = sum(self._record(page, dry_run=dry_run) for page in walk)
        return missing, walk.complete

    def try_again(self, *, deadline: float, dry_run: bool = False) -> int:
        """The events that wait, and those that an earlier release did not handle. Returns how many were
        settled."""
        with self._checkout.transaction() as cursor:
            ids = inbox.to_try_again(
                cursor, unhandled=UNHANDLED, handled_types=HANDLED, limit=MOST_TRIED_AGAIN
            )
        if dry_run:
            return len(ids)
        settled = 0
        for event_id in ids:
            if time.monotonic() > deadline:
                break
            settled += self._try(event_id)
        return settled

    def _try(self, event_id: str) -> bool:
        """Whether it could be settled. What stands in its way does not keep the others from their turn."""
        try:
            return self._events.retry(event_id) != "waiting"
        except Unavailable:
            raise
        except StripeError as error:
            telemetry.logger.warning("not tried again", extra={"event_id": event_id, "reason": error.detail})
        except Exception:  # noqa: BLE001 - whatever it is, the others have nothing to do with it
            telemetry.logger.exception("cannot be tried again", extra={"event_id": event_id})
        with self._checkout.transaction() as cursor:
            inbox.put_last(cursor, event_id)
        return False

    def _page(self, since: int, after: str | None) -> tuple[passes.Page, bool]:
        return self._stripe.events(since=since, types=sorted(HANDLED), starting_after=after)

    def _record(self, page: passes.Page, *, dry_run: bool) -> int:
        with self._checkout.transaction() as cursor:
            known = inbox.known(cursor, [event["id"] for event in page])
        missing = [event for event in page if event["id"] not in known]
        if not dry_run:
            for event in reversed(missing):
                outcome = self._events.record(
                    stripe_event.parsed(json.dumps(event).encode()), keep_unread=True
                )
                telemetry.logger.info("missed event", extra={"event_id": event["id"], "outcome": outcome})
        return len(missing)
