"""Kafka on one machine, and Lambda's trigger for it."""

TOPICS = {"checkout.requests": 3, "checkout.finished": 3}
"""Name → partitions."""
