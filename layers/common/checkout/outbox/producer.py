"""Publishing to Kafka, with a bounded wait, from a process that may be frozen between two events."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from checkout.base import telemetry, timing
from checkout.base.errors import CheckoutError, Unavailable
from checkout.outbox.complaints import Complaints
from checkout.outbox.table import Message

_REFUSED = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_MSG_SIZE,
}
"""What is wrong with a message itself: it would be refused again."""

_OF_A_BATCH = _REFUSED | {KafkaError._INVALID_DIFFERENT_RECORD}
"""What brokers say of all messages that were sent together, though only one may be wrong."""

_SETTINGS = {
    "acks": "all",
    "linger.ms": 0,
    # The partitioner of Java's client and of kafka-python: a user's records stay in one partition,
    # whichever client publishes them.
    "partitioner": "murmur2_random",
    # Consumers know a repeated effect by its key, so an idempotent producer's introduction to the brokers
    # would buy nothing. One request at a time keeps the order of retries.
    "enable.idempotence": False,
    "max.in.flight.requests.per.connection": 1,
    "reconnect.backoff.max.ms": 500,
    # Nobody reads its own, and what it has to say is in what `Complaints` finds.
    "enable.metrics.push": False,
    "log_level": 0,
}
"""librdkafka's. How long it would retry does not matter: `publish` ends that."""


@dataclass(frozen=True, slots=True)
class Published:
    """What the brokers answered in time, by effect keys. Any other message may or may not have arrived."""

    acknowledged: Sequence[str] = ()
    """All in-sync replicas have it."""
    refused: Collection[str] = ()
    """They will never take it as it is."""


class KafkaPublisher:
    """Connects at the first message."""

    def __init__(
        self,
        brokers: Sequence[str],
        sign_in: Callable[[], Mapping[str, Any]] = dict,
        idle_seconds: float = timing.KAFKA_IDLE,
        topic_prefix: str = "",
    ) -> None:
        """`sign_in` gives what sign_in.py says, anew for each producer, since passwords change. The brokers'
        names of topics have the prefix, those of messages do not."""
        self._topic_prefix = topic_prefix
        self._idle_seconds = idle_seconds
        self._brokers = ",".join(brokers)
        self._sign_in = sign_in
        self.signed_in_seconds: float = timing.PRODUCER_SIGNED_IN
        self._made_at = 0.0
        self._complaints = Complaints()
        self._producer: Producer | None = None
        self._last_used = 0.0
        self._paused_until = 0.0

    def publish(self, messages: Sequence[Message], timeout_seconds: float) -> Published:
        """Nothing is sent any more once this returns. Never raises for a broker's sake."""
        now = time.time()
        if now < self._paused_until:
            return Published()
        if now - self._last_used > self._idle_seconds or now - self._made_at > self.signed_in_seconds:
            self.close()
        deadline = now + timeout_seconds
        answers = self._answers(messages, deadline)
        if len(messages) > 1:
            for message in messages:
                if _code(answers.get(message.effect_key)) in _OF_A_BATCH:
                    del answers[message.effect_key]
                    answers |= self._answers([message], deadline)
        acknowledged = {key for key, error in answers.items() if error is None}
        refused = {key for key, error in answers.items() if _code(error) in _REFUSED}
        self._last_used = time.time()
        if any(message.effect_key not in acknowledged | refused for message in messages):
            for error in answers.values():
                if error is not None and error.code() not in _REFUSED:
                    self._complaints.say(f"The brokers have answered: {error.str()}.")
            self.close()  # What it gives up becomes an error among `answers`.
            telemetry.logger.warning("no connection to Kafka", extra={"reason": self._complaints.taken()})
            self._paused_until = time.time() + timing.PRODUCER_PAUSE
        in_order = [message.effect_key for message in messages if message.effect_key in acknowledged]
        return Published(in_order, refused)

    def require(self, topic: str, timeout_seconds: float) -> None:
        """Raises Unavailable unless the brokers answer and have the topic."""
        topic = self._topic_prefix + topic
        try:
            producer = self._connected(timeout_seconds)
            found = producer.list_topics(topic, timeout_seconds).topics[topic]
        except KafkaException as error:
            self.close()
            raise Unavailable(f"No connection to Kafka. {self._complaints.taken()}") from error
        if not found.partitions:
            why = "" if found.error is None else f" ({found.error.str()})"
            raise Unavailable(f"Kafka shows no topic {topic}{why}.")

    def _answers(self, messages: Sequence[Message], deadline: float) -> dict[str, KafkaError | None]:
        """By effect key, of those that the brokers have answered in time: None for an acknowledgement."""
        answers: dict[str, KafkaError | None] = {}
        asked = {message.effect_key for message in messages}
        try:
            producer = self._connected(deadline - time.time())
            for message in messages:
                self._send(producer, message, answers)
            while len(answers) < len(asked) and (left := deadline - time.time()) > 0:
                producer.poll(left)
        except KafkaException as error:
            self._complaints.note(error.args[0])
        except CheckoutError as error:
            self._complaints.say(error.detail)
        return answers

    def _send(self, producer: Producer, message: Message, answers: dict[str, KafkaError | None]) -> None:
        """Begin; the answer comes while the producer is polled. One bad message does not stop the rest."""
        try:
            producer.produce(
                self._topic_prefix + message.topic,
                message.value,
                message.key.encode(),
                on_delivery=lambda error, _: answers.__setitem__(message.effect_key, error),
                headers=[("traceparent", message.traceparent.encode())] if message.traceparent else None,
            )
        except KafkaException as error:
            answers[message.effect_key] = error.args[0]

    def close(self) -> None:
        """Gives up what is not sent yet."""
        if self._producer is None:
            return
        # To end a producer is to wait for its threads, and those may wait for a DNS server that does not
        # answer.
        ending = Thread(target=_end, args=(self._producer,), daemon=True)
        self._producer = None
        ending.start()
        ending.join(timing.PRODUCER_CLOSE)

    def _connected(self, timeout_seconds: float) -> Producer:
        if self._producer is None:
            settings = {
                **_SETTINGS,
                "bootstrap.servers": self._brokers,
                "connections.max.idle.ms": int(self._idle_seconds * 1000),
                "error_cb": self._complaints.note,
                **self._sign_in(),
            }
            by_token = "oauth_cb" in settings
            self._producer = _by_token(settings, timeout_seconds) if by_token else Producer(settings)
            self._made_at = time.time()
        return self._producer


def _code(error: KafkaError | None) -> int | None:
    return None if error is None else error.code()


def _end(producer: Producer) -> None:
    """Drop the last reference to a producer, which ends its threads and connections."""
    producer.purge()
    producer.poll(0)


def _by_token(settings: dict[str, Any], timeout_seconds: float) -> Producer:
    """A producer that signs in with a token. Raises Unavailable if there is none.

    confluent-kafka's constructor asks for the token from another thread, and sleeps for a whole second
    meanwhile (its pull request 2130). So it has a thread of its own: what it makes is complete when it asks.
    """
    make: Callable[[str], tuple[str, float]] = settings["oauth_cb"]
    asked = Event()
    tokens = [make("")]  # An error is raised to the caller here, and would be lost there.

    def token(config: str) -> tuple[str, float]:
        asked.set()
        return tokens.pop() if tokens else make(config)

    producer = Producer.__new__(Producer)
    Thread(target=Producer.__init__, args=(producer, {**settings, "oauth_cb": token}), daemon=True).start()
    if not asked.wait(timeout_seconds):
        raise Unavailable("The Kafka client did not start in time.")
    return producer
