"""A role's rights on an MSK cluster as ACLs of Apache Kafka.

MSK Developer Guide, "Semantics of IAM authorization policy actions and resources", says which ACL each action
is the equivalent of. kafka-cluster:Connect has none: whoever has signed in may connect.
"""

from collections.abc import Iterable, Iterator

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.infrastructure.permissions import Call

CONNECT = "kafka-cluster:Connect"
CLUSTER = "kafka-cluster"
"""What the cluster is called in Kafka's ACLs."""

EQUIVALENTS = {
    "kafka-cluster:DescribeCluster": (ResourceType.BROKER, AclOperation.DESCRIBE),
    "kafka-cluster:DescribeClusterDynamicConfiguration": (ResourceType.BROKER, AclOperation.DESCRIBE_CONFIGS),
    "kafka-cluster:DescribeTopic": (ResourceType.TOPIC, AclOperation.DESCRIBE),
    "kafka-cluster:CreateTopic": (ResourceType.TOPIC, AclOperation.CREATE),
    "kafka-cluster:ReadData": (ResourceType.TOPIC, AclOperation.READ),
    "kafka-cluster:WriteData": (ResourceType.TOPIC, AclOperation.WRITE),
    "kafka-cluster:DescribeGroup": (ResourceType.GROUP, AclOperation.DESCRIBE),
    "kafka-cluster:AlterGroup": (ResourceType.GROUP, AclOperation.READ),
}


def of(user: str, grants: Iterable[Call]) -> Iterator[AclBinding]:
    """Raises KeyError for an action of which no equivalent is known."""
    for grant in grants:
        if not grant.action.startswith("kafka-cluster:") or grant.action == CONNECT:
            continue
        kind, operation = EQUIVALENTS[grant.action]
        named = CLUSTER if kind == ResourceType.BROKER else grant.resource.rpartition("/")[2]
        pattern = ResourcePatternType.PREFIXED if named.endswith("*") else ResourcePatternType.LITERAL
        resource = named.removesuffix("*")
        allow = AclPermissionType.ALLOW
        yield AclBinding(kind, resource, pattern, f"User:{user}", "*", operation, allow)
