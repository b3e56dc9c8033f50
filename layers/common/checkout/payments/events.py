"""What a Stripe event means for us, applied once: whether a webhook brought it, the reconciler found it, or
an operator replays it.

If the process dies before the commit, nothing is stored; after it, the event is known, and the outbox has
what goes to Kafka.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import (
    DataRefused,
    InvariantBroken,
    NotFound,
    StripeError,
    StripeObjectMissing,
    Unavailable,
)
from checkout.base.postgres import Database
from checkout.outbox.delivery import Delivery
from checkout.payments import inbox, reversals_table, settlement, stripe_event
from checkout.payments.inbox import StoredEvent
from checkout.payments.locked import Reading
from checkout.payments.outcomes import Applied, Outcome, Parked, Unconfirmed, Waiting
from checkout.payments.radar_event import EARLY_FRAUD_WARNING
from checkout.payments.readings import HANDLED, UNHANDLED, Readings
from checkout.payments.reversal_event import ReversalReport
from checkout.payments.settlement import Admit, Settled
from checkout.payments.stripe_event import StripeEvent

if TYPE_CHECKING:
    from checkout.payments.stripe_api import StripeApi

__all__ = ["HANDLED", "UNHANDLED", "StripeEvents"]


@dataclass(frozen=True, slots=True)
class Reread:
    """What became of what Stripe was asked for: applied, waiting, held or ignored, and why; and the state of
    each of its movements by effect key."""

    outcome: str
    reason: str | None
    movements: dict[str, str]


class StripeEvents:
    def __init__(
        self, checkout: Database, stripe: "Callable[[], StripeApi]", delivery: Delivery, config: Config
    ) -> None:
        self._checkout = checkout
        self._readings = Readings(checkout, stripe, config)
        self._delivery = delivery
        self._config = config

    def record(self, event: StripeEvent, *, keep_unread: bool = False) -> str:
        """Store the event and apply it, in one commit, and publish what came of it.

        Returns its outcome: applied, ignored, waiting, held, or duplicate.

        Raises DatabaseUnavailable or StripeError with nothing stored. With `keep_unread` an event that cannot
        be read or applied now is stored as waiting instead: for a caller to whom it would not be sent again.
        """
        telemetry.uncorrelate()
        with self._checkout.autocommit() as tx:
            if inbox.known(tx, [event.id]):
                return "duplicate"
        try:
            return _outcome(self._settle(event, self._readings.of(event)))
        except Unavailable:
            raise
        except Exception as error:
            if not keep_unread:
                raise
            if not isinstance(error, StripeError):
                telemetry.logger.exception("an event waits for another release", extra={"event_id": event.id})
            reason = error.detail if isinstance(error, StripeError) else f"{type(error).__name__} in our code"
            return _outcome(self._settle(event, Waiting(reason)))

    def retry(self, event_id: str) -> str:
        """Apply a stored event that waits, or that was ignored and is ours now: an earlier release did not
        handle it, or CHECKOUT_APP_ID was another. Not what an operator has decided meanwhile. Returns its
        outcome, as `record`.

        Raises NotFound, DatabaseUnavailable or StripeError.
        """

        def admit(stored: StoredEvent) -> bool:
            is_ours_now = stored.outcome == "ignored" and stored.app_id == self._config.app_id
            is_handled_now = (stored.outcome, stored.reason) == ("ignored", UNHANDLED)
            return stored.outcome == "waiting" or is_handled_now or is_ours_now

        event = self._stored(event_id)
        return _outcome(self._settle(event, self._readings.of(event), admit))

    def replay(self, event_id: str) -> Settled | None:
        """For an operator: apply a stored event, unless it was applied (then it returns None), and with it
        all of the refund or dispute that was discarded with it. Raises as `retry`.
        """
        event = self._stored(event_id)
        return self._settle(
            event, self._readings.of(event), lambda stored: stored.outcome != "applied", is_replay=True
        )

    def observe(self, event_type: str, session: dict[str, Any]) -> Outcome:
        """Apply a session of ours as Stripe has just answered it, as an event of this type would report it.

        Raises DatabaseUnavailable.
        """
        return self._apply(self._readings.session(event_type, session)).outcome

    def reread(self, object_id: str) -> Reread:
        """For an operator: apply a refund, a dispute, or all those of a payment intent, as Stripe has them
        now, under the keys that their events would use; no matter what became of those events.

        Raises InvalidRequest for another id; NotFound, DatabaseUnavailable or StripeError.
        """
        telemetry.uncorrelate()
        try:
            report = self._readings.of_object(object_id)
        except StripeObjectMissing as error:
            raise NotFound(f"Stripe knows no {object_id}.") from error
        return self._reread(report)

    def apply_refund(self, refund: dict[str, Any]) -> Reread:
        """Apply a refund that Stripe has just answered, under the keys that its events use.

        Raises DatabaseUnavailable or StripeError.
        """
        return self._reread(self._readings.of_reversed(refund))

    def _reread(self, report: ReversalReport | Outcome) -> Reread:
        if isinstance(report, Outcome):
            return Reread(report.stored_as, report.reason, {})
        outcome = self._apply(report).outcome
        with self._checkout.autocommit() as tx:
            about = [one for one in report.objects if report.subject in (None, one.object_id)]
            states = reversals_table.states(tx, [key for one in about for key in one.effect_keys])
        return Reread(outcome.stored_as, outcome.reason, states)

    def _stored(self, event_id: str) -> StripeEvent:
        telemetry.uncorrelate()
        with self._checkout.autocommit() as tx:
            payload = inbox.payload(tx, event_id)
        if payload is None:
            raise NotFound("There is no such event.")
        return stripe_event.parsed(payload.encode())

    def _apply(self, reading: Reading) -> Settled:
        """Without an event."""
        if isinstance(reading, Outcome):
            return Settled(reading)
        with self._checkout.transaction() as tx:
            settled = settlement.apply(tx, reading)
        if not isinstance(settled, Settled):
            raise InvariantBroken("what Stripe answers is not confirmed by Stripe")
        self._delivery.at_once(settled.messages)
        return settled

    def _settle(
        self, event: StripeEvent, reading: Reading, admit: Admit | None = None, *, is_replay: bool = False
    ) -> Settled | None:
        """Store what becomes of the event, and all that follows from it, in one commit, and publish that.
        None if it is known, or not admitted."""
        if event.type == EARLY_FRAUD_WARNING and isinstance(reading, Applied):
            # Before the commit: better twice than never.
            telemetry.alert(
                "EarlyFraudWarning",
                "the card's issuer suspects fraud",
                event_id=event.id,
                reason=reading.reason,
            )
        try:
            settled = self._commit(event, reading, admit, is_replay)
        except DataRefused as refusal:
            # It would be refused for ever, and nothing of it is stored: parked, somebody can look at it.
            parked = Parked(f"the database refuses it: {refusal.detail}")
            settled = self._commit(event, parked, admit, is_replay)
        if settled is None:
            return None
        outcome = settled.outcome
        published = self._delivery.at_once(settled.messages)
        telemetry.logger.info(
            "stripe event",
            extra={
                "event_id": event.id,
                "type": event.type,
                "outcome": outcome.stored_as,
                "published": published,
            },
        )
        return settled

    def _commit(
        self, event: StripeEvent, reading: Reading, admit: Admit | None, is_replay: bool
    ) -> Settled | None:
        if isinstance(reading, Outcome):
            is_alone = admit is None and not isinstance(reading, Parked)
            with self._checkout.autocommit() if is_alone else self._checkout.transaction() as tx:
                settled_unread = settlement.settle_unread(tx, event, reading, admit, is_replay=is_replay)
                _announce(event, settled_unread)
            return settled_unread
        with self._checkout.transaction() as tx:
            if admit is None:
                settled = settlement.settle_new(tx, reading, event)
            else:
                settled = settlement.settle_stored(tx, reading, event, admit, is_replay=is_replay)
            if isinstance(settled, Unconfirmed):
                tx.roll_back()
            else:
                _announce(event, settled)
        if isinstance(settled, Unconfirmed):
            return self._commit(event, self._readings.of(event, is_asked=True), admit, is_replay)
        return settled


def _outcome(settled: Settled | None) -> str:
    return "duplicate" if settled is None else settled.outcome.stored_as


def _announce(event: StripeEvent, settled: Settled | None) -> None:
    """Before the commit: nobody hears of an event again that is stored."""
    if settled is not None and isinstance(settled.outcome, Parked):
        telemetry.alert(
            "StripeEventHeld",
            "an event of ours cannot be applied",
            event_id=event.id,
            reason=settled.outcome.reason,
        )
