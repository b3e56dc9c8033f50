"""What librdkafka reports about a broker becomes a sentence that names the setting to look at."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

from checkout.base.errors import Unavailable
from checkout.outbox import producer
from checkout.outbox.complaints import NO_ANSWER, Complaints
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.table import Message

MESSAGE = Message("success:1", "checkout.finished", "1", b"{}")


@pytest.mark.parametrize(
    ("code", "line", "said"),
    [
        (
            KafkaError._AUTHENTICATION,
            "sasl_ssl://b:9096/bootstrap: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL"
            " mechanism: broker's supported mechanisms: SCRAM-SHA-512 (after 1ms in state AUTH_HANDSHAKE)",
            "do not support the mechanism that KAFKA_SECURITY names",
        ),
        (
            KafkaError._TRANSPORT,
            "b:9092/bootstrap: Connect to ipv4#10.0.0.1:9092 failed: Connection refused",
            "do not answer",
        ),
    ],
)
def test_a_reason_is_said_once(code: int, line: str, said: str) -> None:
    complaints = Complaints()
    complaints.note(KafkaError(code, line))

    assert said in complaints.taken()
    assert complaints.taken() == NO_ANSWER


class Forbidding:
    """A producer whose brokers answer at once, and let it neither write to a topic nor see it."""

    def __init__(self, _: dict[str, Any]) -> None:
        self._tell: list[Callable[[], None]] = []

    def produce(self, *_: Any, on_delivery: Callable[[KafkaError, None], None], **__: Any) -> None:
        self._tell.append(lambda: on_delivery(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED), None))

    def poll(self, _: float) -> None:
        while self._tell:
            self._tell.pop()()

    def purge(self) -> None:
        """Nothing waits."""

    def list_topics(self, topic: str, _: float) -> Any:
        error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions={}, error=error)})


def test_brokers_that_have_answered_are_not_said_to_be_silent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(producer, "Producer", Forbidding)
    publisher = KafkaPublisher(["b:9098"])

    assert not publisher.publish([MESSAGE], 1).acknowledged
    [line] = caplog.records
    assert line.__dict__["reason"] == "The brokers have answered: Broker: Topic authorization failed."
    with pytest.raises(Unavailable, match=r"no topic checkout\.finished \(.*authorization failed\)"):
        publisher.require("checkout.finished", 1)


def test_brokers_that_were_not_asked_are_not_said_to_be_silent(caplog: pytest.LogCaptureFixture) -> None:
    def no_credentials() -> dict[str, Any]:
        raise Unavailable("Secrets Manager does not answer.")

    assert not KafkaPublisher(["b:9098"], no_credentials).publish([MESSAGE], 1).acknowledged
    assert [line.__dict__["reason"] for line in caplog.records] == ["Secrets Manager does not answer."]


def test_brokers_that_do_not_answer_are_not_said_to_have_answered(caplog: pytest.LogCaptureFixture) -> None:
    """librdkafka says of each message that is given up that it was purged."""
    assert not KafkaPublisher(["127.0.0.1:1"]).publish([MESSAGE], 0.2).acknowledged
    assert [line.__dict__["reason"] for line in caplog.records] == [NO_ANSWER]
