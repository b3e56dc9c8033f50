"""Kafka on one machine, and Lambda's trigger for it."""

TOPICS = {"checkout.requests": 3, "checkout.finished": 3}
"""Name → partitions."""


def topics(prefix: str) -> dict[str, int]:
    """The same with KAFKA_TOPIC_PREFIX."""
    return {prefix + name: partitions for name, partitions in TOPICS.items()}
