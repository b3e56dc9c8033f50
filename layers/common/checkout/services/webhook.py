"""Receive Stripe's events: event, state and outbox row in one commit, then Kafka.

If the process dies
- before the commit: nothing is stored, Stripe gets no 2xx and sends the event again;
- after it, before Stripe is answered: Stripe sends it again, and it is found to be known;
- after it, before Kafka has it: the outbox has it, and the relay publishes it;
- after Kafka has it, before the outbox row is deleted: it is published twice and counted once.
"""

from typing import Any

from checkout import telemetry
from checkout.adapters import inbox, stripe_signature, transactions
from checkout.adapters.outbox import Message
from checkout.adapters.postgres import Cursor, Database
from checkout.adapters.stripe_api import API_VERSION, StripeApi
from checkout.config import Config
from checkout.domain import session_event, stripe_event
from checkout.domain.session_event import Held, Ignored
from checkout.domain.stripe_event import StripeEvent
from checkout.domain.text import identifier
from checkout.errors import InvalidRequest, InvalidSignature, StripeObjectMissing
from checkout.services import payments
from checkout.services.delivery import Delivery


class ReceiveWebhook:
    def __init__(self, checkout: Database, stripe: StripeApi, delivery: Delivery, config: Config) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._delivery = delivery
        self._config = config

    def __call__(self, body: bytes, signature: str | None) -> str:
        """What became of the event: applied, ignored, held, or duplicate; it is stored then, for good.

        Raises InvalidSignature or InvalidRequest (not an event), with nothing stored; DatabaseUnavailable or
        StripeError where it could not be stored and Stripe must send it again.
        """
        self._verify(body, signature)
        try:
            event = stripe_event.parsed(body)
        except stripe_event.NotAnEvent as error:
            raise InvalidRequest(f"Not a Stripe event: {error}.") from error
        with self._checkout.transaction() as cursor:
            outcome, message = self._record(cursor, event)
        telemetry.logger.info("webhook", extra={"event_id": event.id, "type": event.type, "outcome": outcome})
        self._delivery.at_once([message] if message else [])
        return outcome

    def _verify(self, body: bytes, signature: str | None) -> None:
        try:
            stripe_signature.verify(body, signature, self._config.webhook_secrets())
        except InvalidSignature:
            if not self._config.refresh_secrets():
                raise
            stripe_signature.verify(body, signature, self._config.webhook_secrets())

    def _record(self, cursor: Cursor, event: StripeEvent) -> tuple[str, Message | None]:
        payment_intent_id = session_event.payment_intent_of(event.object)
        if payment_intent_id is not None:
            transactions.lock_payment_intent(cursor, payment_intent_id)
        if not inbox.store(cursor, event.id, event.type, event.payload):
            return "duplicate", None
        request_id: str | None = None
        message: Message | None = None
        why: str | None = None
        try:
            applied = self._applied(cursor, event)
        except Ignored as reason:
            outcome, why = "ignored", str(reason)
        except Held as reason:
            outcome, why = "held", str(reason)
            telemetry.alert(
                "StripeEventHeld", "an event of ours cannot be applied", event_id=event.id, reason=why
            )
        else:
            outcome, request_id, message = "applied", applied.request_id, applied.message
        inbox.settle(cursor, event.id, outcome, why, request_id)
        return outcome, message

    def _applied(self, cursor: Cursor, event: StripeEvent) -> payments.Applied:
        if event.type not in session_event.HANDLED:
            raise Ignored("a type that nothing here depends on")
        if not session_event.is_ours(event.object, self._config.app_id):
            raise Ignored("not a session of ours")
        if event.livemode != self._config.stripe_livemode():
            raise Held("livemode is not the mode of our key")
        reported = session_event.report(event.type, self._in_our_version(event))
        telemetry.correlate(reported.request_id)
        return payments.apply(cursor, reported, event.id)

    def _in_our_version(self, event: StripeEvent) -> dict[str, Any]:
        """A session that was described under another API version is read again, in the one we know."""
        if event.api_version in (None, API_VERSION):
            return event.object
        session_id = identifier(event.object.get("id"))
        if session_id is None:
            raise Held("the session has no usable id")
        try:
            return self._stripe.session(session_id)
        except StripeObjectMissing as error:
            raise Held("made under another API version, and Stripe knows no such session") from error
