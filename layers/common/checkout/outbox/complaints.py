"""Why Kafka was not reached, from what librdkafka reports: the publisher itself sees only a timeout."""

from confluent_kafka import KafkaError

NO_ANSWER = (
    "The brokers that KAFKA_BROKERS names do not answer. If they are running, check that KAFKA_SECURITY"
    " matches this listener."
)

_REASONS = {
    "certificate verify failed": "The broker's certificate was not issued by an authority in KAFKA_CA_FILE"
    " (default: Amazon's) or KAFKA_ROOT_SECRET_ARN, or is not for the host in KAFKA_BROKERS.",
    "SASL authentication error": "The brokers refuse KAFKA_USERNAME and KAFKA_PASSWORD (or those in"
    " KAFKA_SECRET_ARN). With KAFKA_SECURITY=IAM they refuse the token: is kafka-cluster:Connect allowed, and"
    " is the clock right?",
    "Unsupported SASL mechanism": "The brokers do not support the mechanism that KAFKA_SECURITY names.",
}
"""Text in librdkafka's error → reason. If several were found, the first in this order wins."""


class Complaints:
    def __init__(self) -> None:
        self._found: set[str] = set()
        self._said: str | None = None

    def note(self, error: KafkaError) -> None:
        line = error.str()
        self._found.update(needle for needle in _REASONS if needle in line)

    def say(self, reason: str) -> None:
        """Note a reason that librdkafka does not log. A reason in its lines takes precedence."""
        self._said = reason

    def taken(self) -> str:
        """The reason for the failures since the last call."""
        found, self._found = self._found, set()
        said, self._said = self._said, None
        return next((reason for needle, reason in _REASONS.items() if needle in found), said or NO_ANSWER)
