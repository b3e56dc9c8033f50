"""From the outbox to Kafka.

If the process dies before the broker acknowledged, the row is still there and a relay publishes it. If it
dies after that and before the row is deleted, it is published twice, and the consumer counts it once.
"""

import time
from collections.abc import Sequence

from checkout.base import telemetry, timing, tracing
from checkout.base.errors import CheckoutError
from checkout.base.postgres import Database, Transaction
from checkout.outbox import table as outbox
from checkout.outbox.finished_event import TOPIC, CheckoutFinishedEvent
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.table import Message

RELAY_AFTER_SECONDS = 5
"""Younger rows are left to the process that committed them and is publishing them now."""

RELAY_BATCH = 500
REFUSED_AT_MOST_SECONDS = 3600
"""Between two attempts to publish what the brokers refuse: the wait doubles from a minute up to this."""


def enqueue(tx: Transaction, effect_key: str, event: CheckoutFinishedEvent) -> Message | None:
    """Into the outbox, in the caller's transaction. None if the effect waits there already."""
    message = _message(effect_key, event)
    return message if outbox.add(tx, message) else None


def queue(tx: Transaction, effect_key: str, event: CheckoutFinishedEvent) -> Message:
    """The same without a round trip. An effect that waits there already is published twice, and counted once.

    Messages are known by their effect keys, not by ids out of a sequence: RDS Proxy keeps a connection for
    the client that asks for one.
    """
    message = _message(effect_key, event)
    outbox.queue(tx, message)
    return message


def _message(effect_key: str, event: CheckoutFinishedEvent) -> Message:
    return Message(effect_key, TOPIC, str(event.user_id), event.encoded(), tracing.current())


class Delivery:
    def __init__(self, checkout: Database, publisher: KafkaPublisher) -> None:
        self._checkout = checkout
        self._publisher = publisher

    def at_once(self, messages: Sequence[Message]) -> int:
        """Publish what was just committed, waiting 2 s at most; what is not acknowledged stays for the relay.

        Returns how many were acknowledged. Never raises because something is away.
        """
        if not messages:
            return 0
        acknowledged = self._publisher.publish(messages, timing.PUBLISH_AT_ONCE).acknowledged
        if len(acknowledged) < len(messages):
            telemetry.logger.warning("left to the outbox relay")
            telemetry.count("PublishDeferred", len(messages) - len(acknowledged))
        if acknowledged:
            telemetry.count("EventsPublished", len(acknowledged))
            try:
                # A row that comes back is only published again.
                with self._checkout.autocommit(durable=False) as tx:
                    outbox.remove(tx, acknowledged)
            except CheckoutError:
                telemetry.logger.warning("outbox row not removed; it will be published again")
        return len(acknowledged)

    def relay(self, deadline: float) -> tuple[int, int]:
        """Publish what is still in the outbox, oldest first, until it is empty, the broker is away, or
        time.monotonic() has passed `deadline`. Returns (published, left in the outbox).

        What the brokers refuse is left for a later run, loudly; it does not stand in the way of the others.
        The rows of a batch are locked while the broker is waited for: another relay skips them, and a webhook
        neither needs them nor waits for them.
        """
        published = left = 0
        while time.monotonic() < deadline:
            with self._checkout.transaction() as tx:
                messages = outbox.take_older_than(tx, RELAY_AFTER_SECONDS, RELAY_BATCH)
                if not messages:
                    break
                answer = self._publisher.publish(messages, timing.PUBLISH_BY_RELAY)
                outbox.remove(tx, answer.acknowledged)
                if answer.refused:
                    outbox.refused(tx, answer.refused, at_most_seconds=REFUSED_AT_MOST_SECONDS)
            for message in messages:
                if message.effect_key in answer.refused:
                    telemetry.alert(
                        "OutboxStuck",
                        "Kafka refuses a message",
                        effect_key=message.effect_key,
                        bytes=len(message.value),
                    )
            telemetry.count("EventsPublished", len(answer.acknowledged))
            published += len(answer.acknowledged)
            left += len(messages) - len(answer.acknowledged)
            if len(answer.acknowledged) + len(answer.refused) < len(messages):
                break
        return published, left
