"""What librdkafka reports about a broker becomes a sentence that names the setting to look at."""

import pytest
from confluent_kafka import KafkaError

from checkout.outbox.complaints import NO_ANSWER, Complaints


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
