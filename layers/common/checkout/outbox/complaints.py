"""Why Kafka was not reached, from what kafka-python logs: its exceptions say only that time was up."""

import logging

NO_ANSWER = "The brokers that KAFKA_BROKERS names do not answer."

_REASONS = {
    "mismatch, certificate": "The certificate is not of the host that KAFKA_BROKERS names.",
    "CERTIFICATE_VERIFY_FAILED": "The certificate is of no authority in KAFKA_CA_FILE (empty: Amazon's) or"
    " KAFKA_ROOT_SECRET_ARN.",
    "SaslAuthenticationFailed": "The brokers refuse KAFKA_USERNAME and KAFKA_PASSWORD (or those in"
    " KAFKA_SECRET_ARN), or with KAFKA_SECURITY=IAM the token: is kafka-cluster:Connect allowed, and the"
    " clock right?",
    "SaslMechanism": "The brokers do not know the way to sign in that KAFKA_SECURITY names.",
    "socket disconnected": "The brokers hang up. If they are well: are KAFKA_SECURITY, KAFKA_USERNAME and"
    " KAFKA_PASSWORD those of this listener?",
}
"""By what is in a line; the first that was ever found counts."""


class Complaints(logging.Handler):
    """In place of kafka-python's own lines, of which there are dozens for one broker that is away."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._found: set[str] = set()
        theirs = logging.getLogger("kafka")
        theirs.addHandler(self)
        theirs.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        self._found.update(needle for needle in _REASONS if needle in line)

    def taken(self) -> str:
        """The reason of what failed since the last time this was asked."""
        found, self._found = self._found, set()
        return next((reason for needle, reason in _REASONS.items() if needle in found), NO_ANSWER)
