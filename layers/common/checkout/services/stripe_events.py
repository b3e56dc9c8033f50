"""What a Stripe event means for us, applied once: whether a webhook brought it, the reconciler found it, or
an operator replays it.

Stripe is asked before the transaction is opened, so that no lock is held while it answers. What was read is
not older than the event, and the effects are keyed: a handler that read something newer does no harm.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from checkout import telemetry
from checkout.adapters import inbox, transactions
from checkout.adapters.outbox import Message
from checkout.adapters.postgres import Cursor, Database
from checkout.adapters.stripe_api import API_VERSION, StripeApi
from checkout.config import Config
from checkout.domain import reversal_event, session_event, stripe_event
from checkout.domain.effects import TOP_UP
from checkout.domain.reversal_event import Reversal, ReversalReport
from checkout.domain.session_event import SessionReport
from checkout.domain.stripe_event import StripeEvent
from checkout.domain.text import identifier
from checkout.domain.verdicts import Held, Ignored, Waiting
from checkout.errors import DataRefused, NotFound, StripeError, StripeObjectMissing, Unavailable
from checkout.services import payments, reversals
from checkout.services.delivery import Delivery

HANDLED = session_event.HANDLED | reversal_event.HANDLED
UNHANDLED = "a type that nothing here depends on"
NOT_OURS = "not of this application"

Reading = SessionReport | ReversalReport | Ignored | Held | Waiting


@dataclass(frozen=True, slots=True)
class _Outcome:
    name: str
    reason: str | None = None
    request_id: str | None = None
    messages: Sequence[Message] = ()


Admit = Callable[[Cursor, str | None], bool]
"""Whether the event of this payment intent is still to be settled; stores or locks it."""


class StripeEvents:
    def __init__(self, checkout: Database, stripe: StripeApi, delivery: Delivery, config: Config) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._delivery = delivery
        self._config = config

    def record(self, event: StripeEvent, *, keep_unread: bool = False) -> str:
        """Store the event and apply it, in one commit, and publish what came of it.

        Returns its outcome: applied, ignored, waiting, held, or duplicate.

        Raises DatabaseUnavailable or StripeError with nothing stored. With `keep_unread` an event that cannot
        be read or applied now is stored as waiting instead: for a caller to whom it would not be sent again.
        """
        telemetry.uncorrelate()

        def admit(cursor: Cursor, payment_intent_id: str | None) -> bool:
            return inbox.store(cursor, event.id, event.type, event.payload, payment_intent_id)

        if _asks_stripe(event) and self._is_known(event):
            return "duplicate"
        try:
            return self._applied(event, self._read(event), admit)
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
        """Apply a stored event that waits, or that an earlier release did not handle; not what an operator
        has decided meanwhile. Returns its outcome, as `record`.

        Raises NotFound, DatabaseUnavailable or StripeError.
        """

        def admit(cursor: Cursor, _payment_intent_id: str | None) -> bool:
            outcome, reason = inbox.lock(cursor, event_id)
            return outcome == "waiting" or (outcome, reason) == ("ignored", UNHANDLED)

        event = self._stored(event_id)
        return self._applied(event, self._read(event), admit)

    def replay(self, event_id: str) -> str:
        """For an operator: apply a stored event, unless it was applied, and the movements of money that were
        dropped with it. Returns its outcome, and raises, as `retry`.
        """
        event = self._stored(event_id)
        reading = self._read(event)

        def admit(cursor: Cursor, _payment_intent_id: str | None) -> bool:
            outcome, _ = inbox.lock(cursor, event_id)
            if outcome == "applied":
                return False
            if isinstance(reading, ReversalReport):
                reversals.revive(cursor, reading)
            return True

        return self._applied(event, reading, admit)

    def observe(self, event_type: str, session: dict[str, Any]) -> None:
        """Apply a session of ours as Stripe has it now, as if an event of this type had told it.

        Raises Ignored, Held, DatabaseUnavailable.
        """
        if not session_event.is_ours(session, self._config.app_id):
            raise Ignored(NOT_OURS)
        reported = session_event.report(event_type, session)
        with self._checkout.transaction() as cursor:
            if reported.payment_intent_id is not None:
                transactions.lock_payment_intent(cursor, reported.payment_intent_id)
            outcome = self._apply(cursor, None, reported)
        self._delivery.at_once(outcome.messages)

    def _is_known(self, event: StripeEvent) -> bool:
        with self._checkout.transaction() as cursor:
            return bool(inbox.known(cursor, [event.id]))

    def _stored(self, event_id: str) -> StripeEvent:
        telemetry.uncorrelate()
        with self._checkout.transaction() as cursor:
            payload = inbox.payload(cursor, event_id)
        if payload is None:
            raise NotFound("There is no such event.")
        return stripe_event.parsed(payload.encode())

    def _applied(self, event: StripeEvent, reading: Reading, admit: Admit) -> str:
        try:
            outcome = self._commit(event, reading, admit)
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

    def _commit(self, event: StripeEvent, reading: Reading, admit: Admit) -> _Outcome | None:
        with self._checkout.transaction() as cursor:
            payment_intent_id = session_event.payment_intent_of(event.object)
            if payment_intent_id is not None:
                transactions.lock_payment_intent(cursor, payment_intent_id)
            return self._settle(cursor, event, reading) if admit(cursor, payment_intent_id) else None

    def _settle(self, cursor: Cursor, event: StripeEvent, reading: Reading) -> _Outcome:
        try:
            outcome = self._apply(cursor, event.id, reading)
        except Ignored as reason:
            outcome = _Outcome("ignored", str(reason))
        except Waiting as reason:
            outcome = _Outcome("waiting", str(reason))
        except Held as reason:
            outcome = _Outcome("held", str(reason))
            telemetry.alert(
                "StripeEventHeld", "an event of ours cannot be applied", event_id=event.id, reason=str(reason)
            )
        inbox.settle(cursor, event.id, outcome.name, outcome.reason, outcome.request_id)
        return outcome

    @staticmethod
    def _apply(cursor: Cursor, event_id: str | None, reading: Reading) -> _Outcome:
        match reading:
            case SessionReport():
                applied = payments.apply(cursor, reading, event_id)
                return _Outcome("applied", request_id=applied.request_id, messages=applied.messages)
            case ReversalReport():
                row, messages = reversals.apply(cursor, reading, event_id)
                return _Outcome("applied", request_id=row.request_id if row else None, messages=messages)
            case Ignored() | Held() | Waiting():
                raise reading

    def _read(self, event: StripeEvent) -> Reading:
        try:
            if event.type in session_event.HANDLED:
                return self._session(event)
            if event.type in reversal_event.HANDLED:
                return self._reversal(event)
            return Ignored(UNHANDLED)
        except (Ignored, Held) as verdict:
            return verdict

    def _session(self, event: StripeEvent) -> SessionReport:
        if not session_event.is_ours(event.object, self._config.app_id):
            raise Ignored(NOT_OURS)
        self._require_our_mode(event)
        session = event.object
        if event.api_version not in (None, API_VERSION):
            # Described under another API version than ours, so it is read again, in the one we know.
            session = _existing(lambda: self._stripe.session(_id_of(event)))
        reported = session_event.report(event.type, session)
        telemetry.correlate(reported.request_id)
        return reported

    def _reversal(self, event: StripeEvent) -> ReversalReport:
        payment_intent_id = session_event.payment_intent_of(event.object)
        if payment_intent_id is None:
            raise Ignored("without a payment intent, so no checkout of ours")
        # First of all: with the key of the other mode Stripe would know neither the payment nor the refund.
        self._require_our_mode(event)
        purpose = self._purpose_of(payment_intent_id)
        if purpose != TOP_UP:
            raise Ignored("its payment is for another purpose than the balance")
        return ReversalReport(payment_intent_id, self._movements(event, payment_intent_id))

    def _purpose_of(self, payment_intent_id: str) -> str:
        """Refunds and disputes carry no metadata of ours: our row tells, or else Stripe's payment intent."""
        with self._checkout.transaction() as cursor:
            row = transactions.find_payment(cursor, payment_intent_id)
        if row is not None:
            telemetry.correlate(row.request_id)
            return row.purpose
        try:
            intent = self._stripe.payment_intent(payment_intent_id)
        except StripeObjectMissing as error:
            raise Ignored("Stripe knows no such payment intent") from error
        if not session_event.is_ours(intent, self._config.app_id):
            raise Ignored(NOT_OURS)
        return str(intent["metadata"].get("purpose", TOP_UP))

    def _movements(self, event: StripeEvent, payment_intent_id: str) -> tuple[tuple[Reversal, ...], ...]:
        if event.type in reversal_event.DISPUTE_EVENTS:
            return (reversal_event.of_dispute(_existing(lambda: self._stripe.dispute(_id_of(event)))),)
        if event.type in reversal_event.CHARGE_EVENTS:
            refunds = self._stripe.refunds_of(payment_intent_id)
        else:
            refunds = [_existing(lambda: self._stripe.refund(_id_of(event)))]
        return tuple(reversal_event.of_refund(refund) for refund in refunds)

    def _require_our_mode(self, event: StripeEvent) -> None:
        if event.livemode != self._config.stripe_livemode():
            raise Held("livemode is not the mode of our key")


def _asks_stripe(event: StripeEvent) -> bool:
    """Whether its own bytes do not say all, so that a repeat would ask Stripe in vain."""
    return event.type in reversal_event.HANDLED or event.api_version not in (None, API_VERSION)


def _id_of(event: StripeEvent) -> str:
    resource_id = identifier(event.object.get("id"))
    if resource_id is None:
        raise Held("the object has no usable id")
    return resource_id


def _existing(read: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = read()
    except StripeObjectMissing as error:
        raise Held("Stripe knows no such object") from error
    return found
