"""The topics that we read and write: made if they are missing, and marked as those of one stack.

The mark is an empty topic, whose name ends with the stack's. It is on the cluster, where two stacks that
share one meet, whatever databases they have. If the process dies, the next run finds the mark as its own, and
makes what is missing. Two stacks that are made within the same moment find each other's mark at their next
deployments.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from checkout.base.errors import ConfigurationError, Unavailable
from checkout.outbox import finished_event, request_event

TOPICS = (request_event.TOPIC, finished_event.TOPIC)
MARK = "checkout.owner."
"""How the name of a mark begins, after the prefix."""

CONFIGS = {"retention.ms": str(7 * 24 * 3600 * 1000)}
"""Records outlive a long weekend in which nobody consumes."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the topics are: `stack` is what no other stack has, in letters that a topic's name can have.

    `partitions` is for topics that are made now. With `had_them` the stack has used topics of these names on
    this cluster before, so it takes those that have no mark yet.
    """

    stack: str
    partitions: int = 3
    had_them: bool = False


def ensure(options: Mapping[str, Any], prefix: str, owner: Owner) -> list[str]:
    """Returns those that were made now; the others stay as they are, with whatever number of partitions.

    `options` are those of a kafka-python client. The copies of a record are the cluster's default. Raises
    ConfigurationError if the topics are another stack's, or may be; and Unavailable.
    """
    try:
        admin = KafkaAdminClient(**options)
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka does not answer: {type(error).__name__}.") from error
    wanted = {f"{prefix}{MARK}{owner.stack}": 1, **{prefix + one: owner.partitions for one in TOPICS}}
    try:
        there = set(admin.list_topics())
        _require_own(there, prefix, owner)
        return [name for name, count in wanted.items() if name not in there and _create(admin, name, count)]
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka refuses to make a topic: {type(error).__name__}.") from error
    finally:
        admin.close()


def _require_own(there: Set[str], prefix: str, owner: Owner) -> None:
    own = f"{prefix}{MARK}{owner.stack}"
    marks = {name for name in there if name.startswith(prefix + MARK)}
    if others := ", ".join(sorted(marks - {own})):
        raise ConfigurationError(
            f"The topics belong to another stack, as the topic {others} says: give another TopicPrefix."
            " If that stack is gone for good, delete that topic."
        )
    topics = ", ".join(sorted({prefix + name for name in TOPICS} & there))
    if topics and own not in marks and not owner.had_them:
        raise ConfigurationError(
            f"Others may use {topics}, which this stack has not made: give another TopicPrefix."
            f" If they are for this stack alone, make the topic {own} with one partition."
        )


def _create(admin: KafkaAdminClient, topic: str, partitions: int) -> bool:
    try:
        admin.create_topics({topic: {"num_partitions": partitions, "configs": CONFIGS}})
    except TopicAlreadyExistsError:
        return False  # Another run was faster.
    return True
