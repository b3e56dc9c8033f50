"""The topics that we read and write, made where they are missing."""

from collections.abc import Collection, Mapping
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from checkout.base.errors import Unavailable

CONFIGS = {"retention.ms": str(7 * 24 * 3600 * 1000)}
"""Records outlive a long weekend in which nobody consumes."""


def ensure(options: Mapping[str, Any], topics: Collection[str], partitions: int) -> list[str]:
    """Returns those that were made now; the others stay as they are, with whatever number of partitions.

    `options` are those of a kafka-python client. The copies of a record are the cluster's default. Raises
    Unavailable.
    """
    try:
        admin = KafkaAdminClient(**options)
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer: {type(error).__name__}.") from error
    try:
        missing = sorted(set(topics) - set(admin.list_topics()))
        return [topic for topic in missing if _create(admin, topic, partitions)]
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka refuses to make a topic: {type(error).__name__}.") from error
    finally:
        admin.close()


def _create(admin: KafkaAdminClient, topic: str, partitions: int) -> bool:
    try:
        admin.create_topics({topic: {"num_partitions": partitions, "configs": CONFIGS}})
    except TopicAlreadyExistsError:
        return False  # Another run was faster.
    return True
