"""A publisher that acknowledges everything at once, and keeps it."""

from collections.abc import Sequence

from checkout.outbox.producer import KafkaPublisher, Published
from checkout.outbox.table import Message


class KeptMessages(KafkaPublisher):
    """`kept` has all messages; may be shared by threads."""

    def __init__(self) -> None:
        self.kept: list[Message] = []

    def publish(self, messages: Sequence[Message], timeout_seconds: float) -> Published:
        self.kept += messages
        return Published([message.effect_key for message in messages])
