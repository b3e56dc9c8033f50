"""Publishing to Kafka, with a bounded wait, from a process that may be frozen between two events."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import KafkaProducer
from kafka.errors import (
    InvalidRecordError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from kafka.producer.future import FutureRecordMetadata

from checkout.base import telemetry, timing
from checkout.base.errors import CheckoutError, Unavailable
from checkout.outbox.complaints import Complaints
from checkout.outbox.table import Message

_REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidRecordError, ValueError, TypeError)
"""What is wrong with a message itself: it would be refused again, and the others are not."""


class KafkaPublisher:
    """Connects at the first message."""

    refused: Collection[str] = frozenset()
    """Of the last publish: the effect keys of what the brokers will never take as it is."""

    def __init__(
        self,
        brokers: Sequence[str],
        api_version: tuple[int, ...] | None = None,
        sign_in: Callable[[], Mapping[str, Any]] = dict,
        idle_seconds: float = timing.KAFKA_IDLE,
        topic_prefix: str = "",
    ) -> None:
        """`api_version` is for brokers that cannot negotiate it; `sign_in` gives what sign_in.py says,
        anew for each producer, since passwords change. The brokers' names of topics have the prefix, those of
        messages do not."""
        self._topic_prefix = topic_prefix
        self._idle_seconds = idle_seconds
        self._brokers = list(brokers)
        self._api_version = api_version
        self._sign_in = sign_in
        self.signed_in_seconds: float = timing.PRODUCER_SIGNED_IN
        self._made_at = 0.0
        self._complaints = Complaints()
        self._producer: KafkaProducer | None = None
        self._last_used = 0.0
        self._paused_until = 0.0

    def publish(self, messages: Sequence[Message], timeout_seconds: float) -> Collection[str]:
        """The effect keys of those that the brokers have acknowledged (all in-sync replicas) within the time.

        The others may or may not arrive, but for those in `refused`. Never raises for a broker's sake.
        """
        now = time.time()
        self.refused = frozenset()
        if now < self._paused_until:
            return []
        if now - self._last_used > self._idle_seconds or now - self._made_at > self.signed_in_seconds:
            self.close()
        deadline = now + timeout_seconds
        sent, refused, broker_away = self._send(messages, timeout_seconds)
        acknowledged = []
        for effect_key, future in sent:
            try:
                future.get(timeout=max(0.0, deadline - time.time()))
                acknowledged.append(effect_key)
            except _REFUSED:
                refused.append(effect_key)
            except KafkaError:
                broker_away = True
        self.refused = frozenset(refused)
        self._last_used = time.time()
        if broker_away:
            self.close()
            telemetry.logger.warning("no connection to Kafka", extra={"reason": self._complaints.taken()})
            self._paused_until = time.time() + timing.PRODUCER_PAUSE
        return acknowledged

    def require(self, topic: str, timeout_seconds: float) -> None:
        """Raises Unavailable unless the brokers answer and have the topic."""
        topic = self._topic_prefix + topic
        try:
            partitions = self._connected(timeout_seconds).partitions_for(topic)
        except (KafkaError, OSError) as error:
            self.close()
            raise Unavailable(f"No connection to Kafka. {self._complaints.taken()}") from error
        if not partitions:
            raise Unavailable(f"Kafka has no topic {topic}.")

    def _send(
        self, messages: Sequence[Message], timeout_seconds: float
    ) -> tuple[list[tuple[str, FutureRecordMetadata]], list[str], bool]:
        """What is on its way, what is refused, and whether the broker seems away. One bad message does not
        stop the rest."""
        sent: list[tuple[str, FutureRecordMetadata]] = []
        refused: list[str] = []
        for message in messages:
            try:
                future = self._connected(timeout_seconds).send(
                    self._topic_prefix + message.topic,
                    key=message.key.encode(),
                    value=message.value,
                    headers=[("traceparent", message.traceparent.encode())] if message.traceparent else [],
                )
            except _REFUSED:
                refused.append(message.effect_key)
                continue
            except (KafkaError, OSError):
                return sent, refused, True
            except CheckoutError as error:
                telemetry.logger.warning("no sign-in to Kafka", extra={"reason": error.detail})
                return sent, refused, True
            sent.append((message.effect_key, future))
        return sent, refused, False

    def close(self) -> None:
        """Gives up what is not sent yet."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=0)
        except KafkaError:
            # With a record on its way it raises and closes nothing: its thread would go on, and the
            # garbage collection would wait for a second.
            producer._sender.force_close()
            producer._sender.join(timing.PRODUCER_CLOSE)
            with suppress(KafkaError):
                producer.close(timeout=0)

    def _connected(self, timeout_seconds: float) -> KafkaProducer:
        if self._producer is None:
            milliseconds = int(timeout_seconds * 1000)
            self._producer = KafkaProducer(
                bootstrap_servers=self._brokers,
                api_version=self._api_version,
                acks="all",
                # Consumers know a repeated effect by its key, so the 100 ms in which an idempotent producer
                # introduces itself would buy nothing. One request at a time keeps the order of retries.
                enable_idempotence=False,
                max_in_flight_requests_per_connection=1,
                max_block_ms=milliseconds,
                bootstrap_timeout_ms=milliseconds,
                request_timeout_ms=milliseconds,
                delivery_timeout_ms=milliseconds + 1,
                connections_max_idle_ms=int(self._idle_seconds * 1000),
                reconnect_backoff_max_ms=500,
                # Nobody reads its own, and a tenth of its time goes into them.
                metrics_enabled=False,
                **self._sign_in(),
            )
            self._made_at = time.time()
        return self._producer
