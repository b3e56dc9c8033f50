"""Why Kafka was not reached, from what librdkafka reports: who publishes sees only that time is up."""

from confluent_kafka import KafkaError

NO_ANSWER = (
    "The brokers that KAFKA_BROKERS names do not answer. If they are well: is KAFKA_SECURITY this listener's?"
)

_REASONS = {
    "certificate verify failed": "The certificate is of no authority in KAFKA_CA_FILE (empty: Amazon's) or"
    " KAFKA_ROOT_SECRET_ARN, or not of the host that KAFKA_BROKERS names.",
    "SASL authentication error": "The brokers refuse KAFKA_USERNAME and KAFKA_PASSWORD (or those in"
    " KAFKA_SECRET_ARN), or with KAFKA_SECURITY=IAM the token: is kafka-cluster:Connect allowed, and the"
    " clock right?",
    "Unsupported SASL mechanism": "The brokers do not know the way to sign in that KAFKA_SECURITY names.",
}
"""By what is in a line; the first that was ever found counts."""


class Complaints:
    def __init__(self) -> None:
        self._found: set[str] = set()

    def note(self, error: KafkaError) -> None:
        line = error.str()
        self._found.update(needle for needle in _REASONS if needle in line)

    def taken(self) -> str:
        """The reason of what failed since the last time this was asked."""
        found, self._found = self._found, set()
        return next((reason for needle, reason in _REASONS.items() if needle in found), NO_ANSWER)
