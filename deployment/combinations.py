"""Parameters of template.yaml that cannot work together: what its `Rules` say, and what those cannot."""

from collections.abc import Iterator, Mapping

KAFKA_SUBNETS = 3
"""One for each of a new cluster's brokers."""

DATABASE_SUBNETS = 2
SECURITY_GROUPS = ("functions", "database", "brokers")

KAFKA_VERSION = "3.8.x"
"""The template's default."""

SMALL_BROKERS = "kafka.t3.small"
LAST_WITH_SMALL_BROKERS = (3, 8)

_DATABASE = ("DatabaseHost", "DatabaseResourceId", "DatabaseMasterSecretArn")


def refused(told: Mapping[str, str], *, is_new: bool) -> Iterator[str]:
    """Why a deployment with these parameters could not succeed. `is_new`: there is no such stack."""
    given = {name for name, value in told.items() if value}
    if given.intersection(_DATABASE) and not given.issuperset(_DATABASE):
        missing = ", ".join(name for name in _DATABASE if name not in given)
        yield f"a database that you have needs {missing}, too"
    if "CertificateArn" in given:
        yield from _domain(told.get("PublicOrigin", ""))
    yield from _brokers(told)
    if "VpcId" in given:
        yield from _network(told, given)
    elif lost := sorted(given & {"SubnetIds", "SecurityGroupIds"}):
        yield f"{' and '.join(lost)} are of a network that you have: give its VpcId, too"
    elif is_new and (elsewhere := sorted(given & {"KafkaClusterArn", "DatabaseHost"})):
        # A stack that is there may have them in the network that it made: its cluster, restored for example.
        yield f"a new network has no way to {' and '.join(elsewhere)}: give VpcId, where they can be reached"


def kafka_version(told: Mapping[str, str]) -> str | None:
    """Of the brokers that the stack makes; None if it makes none, or serverless ones."""
    if told.get("KafkaClusterArn") or told.get("KafkaBrokerType") == "serverless":
        return None
    return told.get("KafkaVersion", KAFKA_VERSION)


def _brokers(told: Mapping[str, str]) -> Iterator[str]:
    version = kafka_version(told)
    kind = told.get("KafkaBrokerType") or ("express" if told.get("Profile") == "prod" else "standard")
    small = told.get("KafkaInstanceType", SMALL_BROKERS) == SMALL_BROKERS
    if version is None or kind != "standard" or not small:
        return
    if tuple(int(part) for part in version.split(".")[:2]) > LAST_WITH_SMALL_BROKERS:
        yield f"Kafka {version} does not run on {SMALL_BROKERS}: give KafkaInstanceType=kafka.m7g.large, too"


def _domain(origin: str) -> Iterator[str]:
    if not origin:
        yield "CertificateArn needs PublicOrigin, whose name it is for"
    elif "/" in origin.removeprefix("https://"):
        yield f"with CertificateArn, PublicOrigin is a name without a path, and not {origin}"


def _network(told: Mapping[str, str], given: set[str]) -> Iterator[str]:
    subnets = [one for one in told.get("SubnetIds", "").split(",") if one.strip()]
    if "KafkaClusterArn" not in given:
        if len(subnets) != KAFKA_SUBNETS:
            yield f"VpcId needs {KAFKA_SUBNETS} SubnetIds, one for each broker, and {len(subnets)} are given"
    else:
        least = 1 if "DatabaseHost" in given else DATABASE_SUBNETS
        if len(subnets) < least:
            yield f"VpcId needs {least} SubnetIds or more, and {len(subnets)} are given"
    groups = [one for one in told.get("SecurityGroupIds", "").split(",") if one.strip()]
    if len(groups) != len(SECURITY_GROUPS):
        yield (
            f"VpcId needs {len(SECURITY_GROUPS)} SecurityGroupIds,"
            f" of {', '.join(SECURITY_GROUPS)} in this order"
        )
