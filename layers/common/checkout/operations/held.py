"""Stripe events of ours that could not be applied: look at them, try them again, or drop them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkout.base import telemetry
from checkout.base.errors import NotFound, Refused
from checkout.base.postgres import Database, Transaction
from checkout.operations import held_table as held
from checkout.operations.held_table import HeldEvent
from checkout.payments import inbox, reversal_event, reversals, stripe_event
from checkout.payments import reversals_table as stored_reversals
from checkout.payments import table as payments_table
from checkout.payments.events import StripeEvents


@dataclass(frozen=True, slots=True)
class Decision:
    """What is discarded with an event: refunds and disputes by Stripe's ids, and the other events about them
    that wait or are held."""

    payment_intent_id: str | None
    objects: Sequence[str]
    events: Sequence[str]


class HeldEvents:
    def __init__(self, checkout: Database, events: StripeEvents) -> None:
        self._checkout = checkout
        self._events = events

    def page(self, *, after: str = "", limit: int = 100, waiting: bool = False) -> list[HeldEvent]:
        """In the order of their ids; those that wait for their time too where wanted."""
        with self._checkout.transaction() as tx:
            return held.page(tx, after=after, limit=limit, waiting=waiting)

    def each(self) -> Iterator[HeldEvent]:
        """Every held one, a page at a time."""
        page = self.page()
        while page:
            yield from page
            page = self.page(after=page[-1].event_id)

    def event(self, event_id: str) -> tuple[HeldEvent, str]:
        """Any stored event, and its payload. Raises NotFound."""
        with self._checkout.transaction() as tx:
            return self._found(tx, event_id)

    def replay(self, event_id: str) -> HeldEvent:
        """Apply it as if Stripe had sent it now; returns it with what became of it, which may be held again.

        Raises NotFound; Refused where it was applied; DatabaseUnavailable or StripeError.
        """
        if self._events.replay(event_id) == "duplicate":
            raise Refused(f"The event {event_id} was applied.")
        return self.event(event_id)[0]

    def discard(self, event_id: str, *, reason: str, operator: str | None = None) -> Decision:
        """Decide that it is never applied: neither the event, nor anything of the refunds and disputes that
        it is about, whatever else tells of them. Raises NotFound, or Refused if it is settled."""
        who = f" by {operator}" if operator else ""
        with self._checkout.transaction() as tx:
            decision = self._decision(tx, event_id)
            if not held.discard(tx, event_id, f"discarded{who}: {reason}"):
                outcome = self._found(tx, event_id)[0].outcome
                raise Refused(f"The event {event_id} is {outcome}, so there is nothing to discard.")
            for other in decision.events:
                held.discard(tx, other, f"discarded{who} with {event_id}: {reason}")
            stored_reversals.hold_those_of(tx, [event_id, *decision.events])
            for object_id in decision.objects:
                reversals.discard(
                    tx,
                    object_id,
                    payment_intent_id=decision.payment_intent_id,
                    event_id=event_id,
                    reason=f"discarded{who}: {reason}",
                )
        telemetry.logger.warning(
            "held event discarded",
            extra={"event_id": event_id, "reason": reason, "operator": operator, "objects": decision.objects},
        )
        return decision

    def discarded_with(self, event_id: str) -> Decision:
        """What `discard` would decide about now. Raises NotFound."""
        with self._checkout.transaction() as tx:
            return self._decision(tx, event_id)

    def _decision(self, tx: Transaction, event_id: str) -> Decision:
        """With the payment intent locked, so that nothing of it is being applied at the same time."""
        found, payload = self._found(tx, event_id)
        if found.payment_intent_id is not None:
            payments_table.lock_payment_intent(tx, found.payment_intent_id)
        subject = _subject_of(payload)
        objects = [subject] if subject is not None else stored_reversals.brought_by(tx, event_id)
        others = inbox.unsettled_of(tx, found.payment_intent_id) if found.payment_intent_id else []
        return Decision(
            payment_intent_id=found.payment_intent_id,
            objects=objects,
            events=[other for other, told in others if other != event_id and _subject_of(told) in objects],
        )

    @staticmethod
    def _found(tx: Transaction, event_id: str) -> tuple[HeldEvent, str]:
        found = held.find(tx, event_id)
        if found is None:
            raise NotFound(f"There is no event {event_id}.")
        return found


def _subject_of(payload: str) -> str | None:
    event = stripe_event.parsed(payload.encode())
    return reversal_event.subject_of(event.type, event.object)
