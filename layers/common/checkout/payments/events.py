"""What a Stripe event means for us, applied once: whether a webhook brought it, the reconciler found it, or
an operator replays it.

If the process dies before the commit, nothing is stored; after it, the event is known, and the outbox has
what goes to Kafka.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import DataRefused, NotFound, StripeError, StripeObjectMissing, Unavailable
from checkout.base.postgres import Database, Transaction
from checkout.outbox.delivery import Delivery
from checkout.outbox.table import Message
from checkout.payments import inbox, reversals, session_event, stripe_event
from checkout.payments import recording as payments
from checkout.payments import reversals_table as stored_reversals
from checkout.payments import table as payments_table
from checkout.payments.readings import HANDLED, UNHANDLED, Reading, Readings
from checkout.payments.reversal_event import ReversalReport
from checkout.payments.session_event import SessionReport
from checkout.payments.stripe_api import StripeApi
from checkout.payments.stripe_event import StripeEvent
from checkout.payments.verdicts import Behind, Held, Ignored, NotOurs, Unconfirmed, Waiting

__all__ = ["HANDLED", "UNHANDLED", "StripeEvents"]

BEHIND_FOR_SECONDS = 24 * 3600
"""So long Stripe's answer may be older than an event: far longer than it ever was, and short enough to
notice."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    name: str
    reason: str | None = None
    request_id: str | None = None
    messages: Sequence[Message] = ()
    app_id: str | None = None


@dataclass(frozen=True, slots=True)
class Reread:
    """What became of what Stripe was asked for: applied, waiting, held or ignored, and why; and the state of
    each of its movements by effect key."""

    outcome: str
    reason: str | None
    movements: dict[str, str]


Admit = Callable[[Transaction, str | None], bool]
"""Whether the event of this payment intent is still to be settled; stores or locks it."""


class StripeEvents:
    def __init__(self, checkout: Database, stripe: StripeApi, delivery: Delivery, config: Config) -> None:
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

        def admit(tx: Transaction, payment_intent_id: str | None) -> bool:
            return inbox.store(tx, event.id, event.type, event.payload, payment_intent_id)

        if self._is_known(event):
            return "duplicate"
        try:
            return self._applied(event, self._readings.of(event), admit)
        except Unavailable:
            raise
        except Exception as error:
            if not keep_unread:
                raise
            if not isinstance(error, StripeError):
                telemetry.logger.exception("an event is put off", extra={"event_id": event.id})
            reason = error.detail if isinstance(error, StripeError) else f"{type(error).__name__} in our code"
            return self._applied(event, Waiting(reason), admit)

    def retry(self, event_id: str) -> str:
        """Apply a stored event that waits, or that was ignored and is ours now: an earlier release did not
        handle it, or CHECKOUT_APP_ID was another. Not what an operator has decided meanwhile. Returns its
        outcome, as `record`.

        Raises NotFound, DatabaseUnavailable or StripeError.
        """

        def admit(tx: Transaction, _payment_intent_id: str | None) -> bool:
            stored = inbox.lock(tx, event_id)
            is_ours_now = stored.outcome == "ignored" and stored.app_id == self._config.app_id
            is_handled_now = (stored.outcome, stored.reason) == ("ignored", UNHANDLED)
            return stored.outcome == "waiting" or is_handled_now or is_ours_now

        event = self._stored(event_id)
        return self._applied(event, self._readings.of(event), admit)

    def replay(self, event_id: str) -> str:
        """For an operator: apply a stored event, unless it was applied, and with it all of the refund or
        dispute that was discarded with it. Returns its outcome, and raises, as `retry`.
        """
        event = self._stored(event_id)
        reading = self._readings.of(event)

        def admit(tx: Transaction, _payment_intent_id: str | None) -> bool:
            if inbox.lock(tx, event_id).outcome == "applied":
                return False
            if isinstance(reading, ReversalReport):
                reversals.revive(tx, reading, event_id)
            return True

        return self._applied(event, reading, admit)

    def observe(self, event_type: str, session: dict[str, Any]) -> None:
        """Apply a session of ours as Stripe has just answered it, as if an event of this type had told it.

        Raises Ignored, Held, DatabaseUnavailable.
        """
        reported = self._readings.session(event_type, session)
        with self._checkout.transaction() as tx:
            _lock(tx, reported)
            outcome = self._apply(tx, None, reported)
        self._delivery.at_once(outcome.messages)

    def reread(self, object_id: str) -> Reread:
        """For an operator: apply a refund, a dispute, or all those of a payment intent, as Stripe has them
        now, under the keys that their events would use; whatever became of those events.

        Raises InvalidRequest for another id; NotFound, DatabaseUnavailable or StripeError.
        """
        telemetry.uncorrelate()
        try:
            report = self._readings.of_object(object_id)
        except StripeObjectMissing as error:
            raise NotFound(f"Stripe knows no {object_id}.") from error
        except (Ignored, Held) as verdict:
            return Reread("held" if isinstance(verdict, Held) else "ignored", str(verdict), {})
        keys = [key for one in report.objects for key in one.effect_keys]
        with self._checkout.transaction() as tx:
            _lock(tx, report)
            outcome = self._outcome(tx, None, report)
            states = stored_reversals.states(tx, keys)
        self._delivery.at_once(outcome.messages)
        return Reread(outcome.name, outcome.reason, states)

    def _is_known(self, event: StripeEvent) -> bool:
        with self._checkout.autocommit() as tx:
            return bool(inbox.known(tx, [event.id]))

    def _stored(self, event_id: str) -> StripeEvent:
        telemetry.uncorrelate()
        with self._checkout.autocommit() as tx:
            payload = inbox.payload(tx, event_id)
        if payload is None:
            raise NotFound("There is no such event.")
        return stripe_event.parsed(payload.encode())

    def _applied(self, event: StripeEvent, reading: Reading, admit: Admit) -> str:
        try:
            outcome = self._decided(event, reading, admit)
        except DataRefused as refusal:
            # It would be refused for ever, and nothing of it is stored: held, somebody can look at it.
            outcome = self._commit(event, Held(f"the database refuses it: {refusal.detail}"), admit)
        if outcome is None:
            return "duplicate"
        telemetry.logger.info(
            "stripe event", extra={"event_id": event.id, "type": event.type, "outcome": outcome.name}
        )
        self._delivery.at_once(outcome.messages)
        return outcome.name

    def _decided(self, event: StripeEvent, reading: Reading, admit: Admit) -> _Outcome | None:
        try:
            return self._commit(event, reading, admit)
        except Unconfirmed:
            return self._commit(event, self._readings.of(event, is_asked=True), admit)

    def _commit(self, event: StripeEvent, reading: Reading, admit: Admit) -> _Outcome | None:
        with self._checkout.transaction() as tx:
            payment_intent_id = session_event.payment_intent_of(event.object)
            _lock(tx, reading, payment_intent_id)
            return self._settle(tx, event, reading) if admit(tx, payment_intent_id) else None

    def _settle(self, tx: Transaction, event: StripeEvent, reading: Reading) -> _Outcome:
        outcome = self._outcome(tx, event.id, reading)
        if outcome.name == "held":
            telemetry.alert(
                "StripeEventHeld",
                "an event of ours cannot be applied",
                event_id=event.id,
                reason=outcome.reason,
            )
        inbox.settle(tx, event.id, outcome.name, outcome.reason, outcome.request_id, app_id=outcome.app_id)
        return outcome

    def _outcome(self, tx: Transaction, event_id: str | None, reading: Reading) -> _Outcome:
        try:
            return self._apply(tx, event_id, reading)
        except NotOurs as reason:
            return _Outcome("ignored", str(reason), app_id=reason.app_id)
        except Ignored as reason:
            return _Outcome("ignored", str(reason))
        except Behind as reason:
            if event_id is not None and inbox.age_seconds(tx, event_id) > BEHIND_FOR_SECONDS:
                return _Outcome("held", f"for more than a day: {reason}")
            return _Outcome("waiting", str(reason))
        except Waiting as reason:
            return _Outcome("waiting", str(reason))
        except Held as reason:
            return _Outcome("held", str(reason))

    @staticmethod
    def _apply(tx: Transaction, event_id: str | None, reading: Reading) -> _Outcome:
        match reading:
            case SessionReport():
                applied = payments.apply(tx, reading, event_id)
                return _Outcome("applied", request_id=applied.request_id, messages=applied.messages)
            case ReversalReport():
                row, messages = reversals.apply(tx, reading, event_id)
                return _Outcome("applied", request_id=row.request_id if row else None, messages=messages)
            case Ignored() | Held() | Waiting():
                raise reading


def _lock(tx: Transaction, reading: Reading, payment_intent_id: str | None = None) -> None:
    """The payment intents of an event and of what was read of it, which are one unless something is wrong."""
    intents = {payment_intent_id}
    if isinstance(reading, SessionReport | ReversalReport):
        intents.add(reading.payment_intent_id)
    for intent in sorted(intent for intent in intents if intent is not None):
        payments_table.lock_payment_intent(tx, intent)
