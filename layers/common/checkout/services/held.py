"""Stripe events of ours that could not be applied: look at them, try them again, or drop them."""

from collections.abc import Iterator

from checkout import telemetry
from checkout.adapters import held, reversals
from checkout.adapters.held import HeldEvent
from checkout.adapters.postgres import Database
from checkout.errors import NotFound, Refused
from checkout.services.stripe_events import StripeEvents


class HeldEvents:
    def __init__(self, checkout: Database, events: StripeEvents) -> None:
        self._checkout = checkout
        self._events = events

    def page(self, *, after: str = "", limit: int = 100, waiting: bool = False) -> list[HeldEvent]:
        """In the order of their ids; those that wait for their time too where wanted."""
        with self._checkout.transaction() as cursor:
            return held.page(cursor, after=after, limit=limit, waiting=waiting)

    def each(self) -> Iterator[HeldEvent]:
        """Every held one, a page at a time."""
        page = self.page()
        while page:
            yield from page
            page = self.page(after=page[-1].event_id)

    def event(self, event_id: str) -> tuple[HeldEvent, str]:
        """Any stored event, and its payload. Raises NotFound."""
        with self._checkout.transaction() as cursor:
            found = held.find(cursor, event_id)
        if found is None:
            raise NotFound(f"There is no event {event_id}.")
        return found

    def replay(self, event_id: str) -> HeldEvent:
        """Apply it as if Stripe had sent it now; returns it with what became of it, which may be held again.

        Raises NotFound; Refused where it was applied; DatabaseUnavailable or StripeError.
        """
        if self._events.replay(event_id) == "duplicate":
            raise Refused(f"The event {event_id} was applied.")
        return self.event(event_id)[0]

    def discard(self, event_id: str, *, reason: str, operator: str | None = None) -> None:
        """Decide that it is never applied. Raises NotFound, or Refused where it is settled."""
        who = f" by {operator}" if operator else ""
        with self._checkout.transaction() as cursor:
            found = held.find(cursor, event_id)
            if found is None:
                raise NotFound(f"There is no event {event_id}.")
            if not held.discard(cursor, event_id, f"discarded{who}: {reason}"):
                raise Refused(f"The event {event_id} is {found[0].outcome}, so there is nothing to discard.")
            reversals.hold_those_of(cursor, event_id)
        telemetry.logger.warning(
            "held event discarded", extra={"event_id": event_id, "reason": reason, "operator": operator}
        )
