"""Parameters of template.yaml that cannot work together, including what its `Rules` cannot express."""

from collections.abc import Iterator, Mapping

KAFKA_SUBNETS = 3
"""One for each broker of a new cluster."""

DATABASE_SUBNETS = 2
SECURITY_GROUPS = ("functions", "database", "brokers")

KAFKA_VERSION = "3.8.x"
"""The template's default."""

SMALL_BROKERS = "kafka.t3.small"
LAST_WITH_SMALL_BROKERS = (3, 8)

DATA_KEY = "DataKeyArn"

VOLUME = "BrokerVolumeGb"
USUAL_VOLUME_GB = 10

CAPACITY = {"dev": (0.0, 4.0), "prod": (1.0, 32.0)}
"""The template's, by profile: the least and the most ACUs."""

_LONG = ("Prices", "StripeSessionOptions")
MOST_BYTES = 1500
"""Of them together. A function's variables have 4 KB, and the names of the others take a third of it."""

_OF_BOOTSTRAP = ("KafkaSecretArn", "KafkaMechanism", "KafkaRootSecretArn")
_DATABASE = ("DatabaseHost", "DatabaseResourceId", "DatabaseMasterSecretArn")


def refused(configured: Mapping[str, str], *, is_new: bool) -> Iterator[str]:
    """Why a deployment with these parameters cannot succeed. `is_new` means that there is no stack yet."""
    given = {name for name, value in configured.items() if value}
    if given.intersection(_DATABASE) and not given.issuperset(_DATABASE):
        missing = ", ".join(name for name in _DATABASE if name not in given)
        yield f"a database that you have needs {missing}, too"
    if "CertificateArn" in given:
        yield from _domain(configured.get("PublicOrigin", ""))
    yield from _identity(configured)
    if sum(len(configured.get(name, "").encode()) for name in _LONG) > MOST_BYTES:
        yield f"{' and '.join(_LONG)} may have {MOST_BYTES} bytes together, of Lambda's 4 KB for all"
    yield from _edge(given)
    yield from _any_kafka(configured, given)
    yield from _brokers(configured)
    yield from _capacity(configured)
    if "StripeSecretArn" in given and configured["StripeSecretArn"] == configured.get("SecretArn"):
        yield "StripeSecretArn must be another secret than SecretArn, which more functions may read"
    if "VpcId" in given:
        yield from _network(configured, given)
        if configured.get("FlowLogs") == "true":
            yield "FlowLogs are of a new network; who owns the one of VpcId records what goes through it"
    elif lost := sorted(given & {"SubnetIds", "SecurityGroupIds"}):
        yield f"{' and '.join(lost)} are of a network that you have: give its VpcId, too"
    elif is_new and (elsewhere := sorted(given & {"KafkaClusterArn", "DatabaseHost"})):
        # An existing stack may have them in its own network: a restored cluster, for example.
        yield f"a new network cannot reach {' and '.join(elsewhere)}: give the VpcId of a network that can"


def refused_after(before: Mapping[str, str], configured: Mapping[str, str]) -> Iterator[str]:
    """Why a stack with the parameters `before` cannot get these, or not in one step."""
    if (kept := before.get(DATA_KEY, "")) != configured.get(DATA_KEY, ""):
        yield (
            f"{DATA_KEY} of the stack is {kept or 'empty'}, for ever: database and brokers of another key"
            " would be other ones, and empty. To change it, restore (docs/deploy.md, A key of your own)"
        )
    had, wanted = (_number(one, VOLUME) or USUAL_VOLUME_GB for one in (before, configured))
    if wanted < had and _makes_standard_brokers(configured):
        yield f"{VOLUME} of the stack is {had:g}, and would be {wanted:g}: MSK lets a volume only grow"
    if _pollers(before) == "on-demand" and _pollers(configured) == "provisioned":
        yield (
            "until they are changed, triggers that poll on demand take an answer about a part of a batch for"
            " one about all of it, and skip the rest: deploy with Pollers=provisioning first"
        )
    if {_ways(before), _ways(configured)} == {"direct", "edge"}:
        yield (
            "customers and Stripe would not reach the stack until DNS and the webhook endpoint are changed:"
            " deploy with EdgeOnly=false first, which opens both ways (docs/deploy.md, CloudFront and WAF)"
        )


def _pollers(parameters: Mapping[str, str]) -> str:
    usual = "provisioned" if parameters.get("Profile") == "prod" else "on-demand"
    return parameters.get("Pollers") or usual


def _ways(parameters: Mapping[str, str]) -> str:
    """How requests reach the API: `direct`, through the `edge`, or `both`."""
    if not parameters.get("EdgeCertificateArn"):
        return "direct"
    return "both" if parameters.get("EdgeOnly") == "false" else "edge"


def kafka_version(configured: Mapping[str, str]) -> str | None:
    """The version of the brokers that the stack makes; None if it makes none, or serverless ones."""
    if (
        configured.get("KafkaClusterArn")
        or configured.get("KafkaBootstrap")
        or configured.get("KafkaBrokerType") == "serverless"
    ):
        return None
    return configured.get("KafkaVersion", KAFKA_VERSION)


def _identity(configured: Mapping[str, str]) -> Iterator[str]:
    if configured.get("JwtJwksUrl"):
        for name in ("JwtIssuer", "JwtAudience"):
            if configured.get(name, "") in ("", "any"):
                yield f"JwtJwksUrl needs {name}: its keys may sign other applications' tokens, too"


def _any_kafka(configured: Mapping[str, str], given: set[str]) -> Iterator[str]:
    if "KafkaBootstrap" not in given:
        if lost := sorted(given.intersection(_OF_BOOTSTRAP)):
            yield f"{' and '.join(lost)} need KafkaBootstrap, the brokers that they are for"
        return
    if "KafkaClusterArn" in given:
        yield "KafkaClusterArn and KafkaBootstrap are two clusters: give one of them"
    if "KafkaSecretArn" not in given:
        yield "KafkaBootstrap needs KafkaSecretArn, the secret with username and password"
    ports = {one.rpartition(":")[2] for one in configured["KafkaBootstrap"].split(",")}
    if "VpcId" not in given and len(ports) > 1:
        yield f"a new network lets functions reach brokers on one port, and KafkaBootstrap has {len(ports)}"


def _brokers(configured: Mapping[str, str]) -> Iterator[str]:
    version = kafka_version(configured)
    if not _makes_standard_brokers(configured):
        if _number(configured, VOLUME):
            yield f"{VOLUME} is of standard brokers that the stack makes, and it makes none"
        return
    small = configured.get("KafkaInstanceType", SMALL_BROKERS) == SMALL_BROKERS
    if version is None or not small:
        return
    if tuple(int(part) for part in version.split(".")[:2]) > LAST_WITH_SMALL_BROKERS:
        yield f"Kafka {version} does not run on {SMALL_BROKERS}: give KafkaInstanceType=kafka.m7g.large, too"


def _capacity(configured: Mapping[str, str]) -> Iterator[str]:
    least, most = capacity(configured)
    if least > most:
        yield (
            f"the database would have {least:g} ACUs at least and {most:g} at most (DatabaseMinimumCapacity,"
            " DatabaseMaximumCapacity; one that is not given is the profile's)"
        )


def capacity(configured: Mapping[str, str]) -> tuple[float, float]:
    """The least and the most ACUs of an instance of the database that the stack makes."""
    least, most = CAPACITY[configured.get("Profile", "dev")]
    return (
        _number(configured, "DatabaseMinimumCapacity", least),
        _number(configured, "DatabaseMaximumCapacity", most),
    )


def _number(configured: Mapping[str, str], name: str, usual: float = 0) -> float:
    try:
        return float(configured.get(name) or usual)
    except ValueError:
        return usual  # CloudFormation refuses it at once.


def _makes_standard_brokers(configured: Mapping[str, str]) -> bool:
    usual = "express" if configured.get("Profile") == "prod" else "standard"
    kind = configured.get("KafkaBrokerType") or usual
    return kafka_version(configured) is not None and kind == "standard"


def _edge(given: set[str]) -> Iterator[str]:
    if "EdgeCertificateArn" not in given:
        if "EdgeWebAclArn" in given:
            yield "EdgeWebAclArn needs EdgeCertificateArn, the certificate of CloudFront"
        return
    if "CertificateArn" not in given:
        yield "EdgeCertificateArn needs CertificateArn and PublicOrigin, by which CloudFront reaches the API"
    if "EdgeWebAclArn" not in given:
        yield "EdgeCertificateArn needs EdgeWebAclArn (infrastructure/firewall.yaml)"
    if "StripeWebhookSources" in given:
        yield (
            "behind CloudFront the API sees no addresses but CloudFront's: give StripeWebhookSources to"
            " infrastructure/firewall.yaml instead"
        )


def _domain(origin: str) -> Iterator[str]:
    if not origin:
        yield "CertificateArn needs PublicOrigin, whose name it is for"
    elif "/" in origin.removeprefix("https://"):
        yield f"with CertificateArn, PublicOrigin is a name without a path, and not {origin}"


def _network(configured: Mapping[str, str], given: set[str]) -> Iterator[str]:
    subnets = [one for one in configured.get("SubnetIds", "").split(",") if one.strip()]
    if "KafkaClusterArn" not in given:
        if len(subnets) != KAFKA_SUBNETS:
            whom = "zone" if "KafkaBootstrap" in given else "broker"
            yield f"VpcId needs {KAFKA_SUBNETS} SubnetIds, one for each {whom}, and {len(subnets)} are given"
    else:
        least = 1 if "DatabaseHost" in given else DATABASE_SUBNETS
        if len(subnets) < least:
            yield f"VpcId needs {least} SubnetIds or more, and {len(subnets)} are given"
    groups = [one for one in configured.get("SecurityGroupIds", "").split(",") if one.strip()]
    if len(groups) != len(SECURITY_GROUPS):
        yield (
            f"VpcId needs {len(SECURITY_GROUPS)} SecurityGroupIds,"
            f" of {', '.join(SECURITY_GROUPS)} in this order"
        )
