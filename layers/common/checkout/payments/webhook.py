"""Receive Stripe's webhooks: event, state and outbox row in one commit, then Kafka.

If the process dies
- before the commit: nothing is stored, Stripe gets no 2xx and sends the event again;
- after it, before Stripe is answered: Stripe sends it again, and it is found to be known;
- after it, before Kafka has it: the outbox has it, and the relay publishes it;
- after Kafka has it, before the outbox row is deleted: it is published twice and counted once.
"""

from checkout.base.config import Config
from checkout.base.errors import InvalidRequest, InvalidSignature
from checkout.payments import signature, stripe_event
from checkout.payments.events import StripeEvents


class ReceiveWebhook:
    def __init__(self, events: StripeEvents, config: Config) -> None:
        self._events = events
        self._config = config

    def __call__(self, body: bytes, header: str | None) -> str:
        """What became of the event, which is stored for good then: see StripeEvents.record. `header` is
        Stripe-Signature.

        Raises InvalidSignature or InvalidRequest (not an event), with nothing stored; DatabaseUnavailable or
        StripeError if it could not be stored and Stripe must send it again.
        """
        self._verify(body, header)
        try:
            event = stripe_event.parsed(body)
        except stripe_event.NotAnEvent as error:
            raise InvalidRequest(f"Not a Stripe event: {error}.") from error
        return self._events.record(event)

    def _verify(self, body: bytes, header: str | None) -> None:
        try:
            signature.verify(body, header, self._config.webhook_secrets())
        except InvalidSignature:
            if not self._config.refresh_secrets("STRIPE_WEBHOOK_SECRET"):
                raise
            signature.verify(body, header, self._config.webhook_secrets())
