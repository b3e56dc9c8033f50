"""Parameters that cannot work together, refused by `make deploy` and, if it can, by CloudFormation."""

import pytest

from deployment import combinations
from tests.infrastructure import transformed

NETWORK = {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2,subnet-3", "SecurityGroupIds": "sg-1,sg-1,sg-1"}
DATABASE = {
    "DatabaseHost": "db.example.com",
    "DatabaseResourceId": "cluster-1",
    "DatabaseMasterSecretArn": "arn:aws:secretsmanager:eu-west-1:1:secret:x",
}
SECRET = "arn:aws:secretsmanager:eu-west-1:1:secret:both"
KAFKA = {"KafkaClusterArn": "arn:aws:kafka:eu-west-1:1:cluster/x/y"}
ANY_KAFKA = {
    "KafkaBootstrap": "b-1.example.com:9092,b-2.example.com:9092",
    "KafkaSecretArn": "arn:aws:secretsmanager:eu-west-1:1:secret:x",
}
DOMAIN = {
    "CertificateArn": "arn:aws:acm:eu-west-1:1:certificate/x",
    "PublicOrigin": "https://pay.example.com",
}

EDGE = DOMAIN | {
    "EdgeCertificateArn": "arn:aws:acm:us-east-1:1:certificate/x",
    "EdgeWebAclArn": "arn:aws:wafv2:us-east-1:1:global/webacl/x/y",
}


def without(parameters: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in parameters.items() if key != name}


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"Profile": "prod", "PublicOrigin": "https://pay.example.com"},
        NETWORK,
        NETWORK | DATABASE | KAFKA,
        NETWORK | DATABASE | KAFKA | {"SubnetIds": "subnet-1"},
        NETWORK | KAFKA | {"SubnetIds": "subnet-1,subnet-2"},
        DOMAIN,
        {"KafkaVersion": "3.9.x.kraft", "KafkaInstanceType": "kafka.m7g.large"},
        {"KafkaVersion": "3.9.x", "Profile": "prod"},
        NETWORK | KAFKA | {"KafkaVersion": "3.9.x"},
        ANY_KAFKA,
        NETWORK | DATABASE | ANY_KAFKA | {"KafkaMechanism": "PLAIN", "KafkaRootSecretArn": "arn:x"},
        ANY_KAFKA | {"KafkaVersion": "3.9.x"},
        {"FlowLogs": "true", "AuditTrail": "account"},
        {"DatabaseMinimumCapacity": "2.5", "DatabaseMaximumCapacity": "8", "BrokerVolumeGb": "100"},
        {"Profile": "prod", "DatabaseMinimumCapacity": "32"},
        {"Profile": "prod", "KafkaBrokerType": "standard", "BrokerVolumeGb": "100"},
        EDGE,
        EDGE | {"EdgeOnly": "false"},
        NETWORK | {"FlowLogs": "false", "AuditTrail": "operations"},
        {"Prices": f"[{' ' * 998}]", "StripeSessionOptions": f"{{{' ' * 498}}}"},
    ],
)
def test_what_works(told: dict[str, str]) -> None:
    assert list(combinations.refused(told, is_new=True)) == []
    assert transformed.refused(transformed.document(), **told) == []


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (NETWORK | without(DATABASE, "DatabaseResourceId"), "needs DatabaseResourceId, too"),
        (NETWORK | without(DATABASE, "DatabaseMasterSecretArn"), "needs DatabaseMasterSecretArn, too"),
        (without(DOMAIN, "PublicOrigin"), "CertificateArn needs PublicOrigin"),
        (dict.fromkeys(("SecretArn", "StripeSecretArn"), SECRET), "must be another secret than SecretArn"),
        (NETWORK | KAFKA | ANY_KAFKA, "are two clusters: give one of them"),
        (without(ANY_KAFKA, "KafkaSecretArn"), "KafkaBootstrap needs KafkaSecretArn"),
        (NETWORK | {"FlowLogs": "true"}, "FlowLogs are of a new network"),
        (without(EDGE, "CertificateArn"), "EdgeCertificateArn needs CertificateArn"),
        (without(EDGE, "EdgeWebAclArn"), "EdgeCertificateArn needs EdgeWebAclArn"),
        (EDGE | {"StripeWebhookSources": "192.0.2.1"}, "give StripeWebhookSources to"),
    ],
)
def test_what_cloudformation_refuses_too(told: dict[str, str], problem: str) -> None:
    [found] = combinations.refused(told, is_new=False)
    assert problem in found
    assert len(transformed.refused(transformed.document(), **told)) == 1


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (without(DATABASE, "DatabaseHost") | NETWORK, "needs DatabaseHost, too"),
        (DOMAIN | {"PublicOrigin": "https://example.com/pay"}, "a name without a path"),
        (without(EDGE, "EdgeCertificateArn"), "EdgeWebAclArn needs EdgeCertificateArn"),
        (without(NETWORK, "SubnetIds"), "3 SubnetIds, one for each broker, and 0 are given"),
        (NETWORK | {"SubnetIds": "subnet-1,subnet-2"}, "and 2 are given"),
        (NETWORK | KAFKA | {"SubnetIds": "subnet-1"}, "2 SubnetIds or more, and 1 are given"),
        (NETWORK | {"SecurityGroupIds": "sg-1"}, "of functions, database, brokers in this order"),
        ({"KafkaVersion": "3.9.x"}, "give KafkaInstanceType=kafka.m7g.large, too"),
        ({"KafkaVersion": "4.0.x.kraft", "Profile": "prod", "KafkaBrokerType": "standard"}, "4.0.x.kraft"),
        (without(ANY_KAFKA, "KafkaBootstrap"), "KafkaSecretArn need KafkaBootstrap"),
        (ANY_KAFKA | {"KafkaBootstrap": "b:9092,b:9093"}, "brokers on one port, and KafkaBootstrap has 2"),
        (NETWORK | ANY_KAFKA | {"SubnetIds": "subnet-1"}, "3 SubnetIds, one for each zone, and 1 are given"),
        (
            {"Prices": f"[{' ' * 998}]", "StripeSessionOptions": f"{{{' ' * 499}}}"},
            "Prices and StripeSessionOptions may have 1500 bytes together",
        ),
        ({"DatabaseMinimumCapacity": "8"}, "8 ACUs at least and 4 at most"),
        (
            {"Profile": "prod", "DatabaseMinimumCapacity": "16.5", "DatabaseMaximumCapacity": "16"},
            "16.5 ACUs",
        ),
        ({"Profile": "prod", "BrokerVolumeGb": "100"}, "BrokerVolumeGb is of standard brokers"),
        (NETWORK | KAFKA | {"BrokerVolumeGb": "100"}, "BrokerVolumeGb is of standard brokers"),
        (without(NETWORK, "VpcId"), "SecurityGroupIds and SubnetIds are of a network that you have"),
    ],
)
def test_what_only_make_deploy_refuses(told: dict[str, str], problem: str) -> None:
    [found] = combinations.refused(told, is_new=False)
    assert problem in found


@pytest.mark.parametrize("told", [KAFKA, DATABASE, KAFKA | DATABASE])
def test_a_new_network_reaches_nothing_that_is_elsewhere(told: dict[str, str]) -> None:
    [found] = combinations.refused(told, is_new=True)
    assert "a new network cannot reach" in found
    # A restored cluster is in the network that the stack made.
    assert list(combinations.refused(told, is_new=False)) == []


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ({}, {"BrokerVolumeGb": "20"}, False),
        ({"BrokerVolumeGb": "20"}, {"BrokerVolumeGb": "20"}, False),
        ({"BrokerVolumeGb": "20"}, {"BrokerVolumeGb": "15"}, True),
        ({"BrokerVolumeGb": "20"}, {}, True),
        ({}, {"BrokerVolumeGb": "5"}, True),
        ({"BrokerVolumeGb": "0"}, {"BrokerVolumeGb": "10"}, False),
        ({"BrokerVolumeGb": "20"}, KAFKA, False),
    ],
)
def test_a_volume_only_grows(before: dict[str, str], after: dict[str, str], is_refused: bool) -> None:
    found = [one for one in combinations.refused_after(before, after) if "BrokerVolumeGb" in one]
    assert len(found) == is_refused


def test_the_profiles_capacities_are_the_template_s() -> None:
    for profile, decided in transformed.source()["Mappings"]["Profiles"].items():
        wanted = (float(decided["MinimumCapacity"]), float(decided["MaximumCapacity"]))
        assert combinations.capacity({"Profile": profile}) == wanted
    allowed = transformed.source()["Parameters"]["DatabaseMaximumCapacity"]["AllowedValues"]
    assert [""] + transformed.nested("database")["Parameters"]["MaximumCapacity"]["AllowedValues"] == allowed


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ({"Profile": "dev"}, {"Profile": "prod"}, True),
        ({"Profile": "dev"}, {"Profile": "prod", "Pollers": "on-demand"}, False),
        ({"Profile": "dev"}, {"Profile": "dev", "Pollers": "provisioned"}, True),
        ({"Profile": "dev"}, {"Profile": "dev", "Pollers": "provisioning"}, False),
        ({"Profile": "dev", "Pollers": "provisioning"}, {"Profile": "prod"}, False),
        ({"Profile": "prod"}, {"Profile": "prod", "Pollers": "on-demand"}, False),
    ],
)
def test_triggers_learn_to_take_a_part_of_a_batch_before_functions_answer_so(
    before: dict[str, str], after: dict[str, str], is_refused: bool
) -> None:
    found = [one for one in combinations.refused_after(before, after) if "Pollers=provisioning" in one]
    assert bool(found) is is_refused
