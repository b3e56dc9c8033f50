"""Exactly the intended pairs can talk in the network that the stack makes."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.infrastructure import reachability, whole
from tests.infrastructure.reachability import OUTSIDE, matrix, places
from tests.infrastructure.transformed import Resource

SOURCE = whole.source()
BROKERS = "brokers and pollers"

EVERYWHERE = {
    ("functions", "database"): {"tcp 5432"},
    ("functions", BROKERS): {"tcp 9098"},
    ("functions", OUTSIDE): {"tcp 443"},  # Stripe and AWS
    (BROKERS, BROKERS): {"tcp 9098"},
    (BROKERS, OUTSIDE): {"tcp 443"},  # The pollers: Lambda and STS
    ("database", "database"): {"tcp 5432"},  # The group that it shares with the proxy
}
PROXY = {
    ("functions", "proxy"): {"tcp 5432"},
    ("proxy", "database"): {"tcp 5432"},
    # One group for both, so it goes the other way, too; RDS opens no such connections.
    ("database", "proxy"): {"tcp 5432"},
    ("proxy", "proxy"): {"tcp 5432"},
}
ENDPOINTS = {("functions", "endpoints"): {"tcp 443"}}

Resources = dict[str, Resource]


def made(profile: str, endpoints: str = "false", brokers: str = "") -> Resources:
    parameters = {"Profile": profile, "InterfaceEndpoints": endpoints, "KafkaBrokerType": brokers}
    return copy.deepcopy(whole.resources(SOURCE, parameters))


# The gate


@pytest.mark.parametrize("brokers", ["standard", "express", "serverless"])
@pytest.mark.parametrize("endpoints", ["true", "false"])
@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_exactly_the_intended_pairs_can_talk(profile: str, endpoints: str, brokers: str) -> None:
    intended = EVERYWHERE | (PROXY if profile == "prod" else {}) | (ENDPOINTS if endpoints == "true" else {})
    resources = made(profile, endpoints, brokers)

    assert matrix(resources) == intended
    assert reachability.unattached_groups(resources) == set()


def test_brokers_outside_are_reached_on_their_port_alone() -> None:
    found = {
        "KafkaBootstrap": "b-1.example.com:9092,b-2.example.com:9092",
        "KafkaSecretArn": "arn:…:secret:x",
    }
    resources = copy.deepcopy(whole.resources(SOURCE, {"Profile": "dev", **found}))

    assert matrix(resources) == {
        ("functions", "database"): {"tcp 5432"},
        ("functions", OUTSIDE): {"tcp 443", "tcp 9092"},
        ("database", "database"): {"tcp 5432"},
    }
    [functions] = set(places(resources)["functions"].values())
    for trigger in (one for one in resources.values() if one["Type"] == "AWS::Lambda::EventSourceMapping"):
        access = trigger["Properties"]["SourceAccessConfigurations"]
        assert {one["Type"] for one in access} == {"SASL_SCRAM_512_AUTH", "VPC_SUBNET", "VPC_SECURITY_GROUP"}
        assert whole.referred(access) == functions.groups | functions.subnets, (
            "the pollers are where these are"
        )


@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_all_functions_are_in_one_place(profile: str) -> None:
    """So what one of them reaches, each does."""
    assert len(set(places(made(profile))["functions"].values())) == 1


@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_migrate_answers_cloudformation_without_nat(profile: str) -> None:
    resources = made(profile)

    assert reachability.reaches_s3_inside(resources, places(resources)["functions"]["MigrateFunction"])


def test_in_prod_no_zone_needs_another_one_s_way_out() -> None:
    resources = made("prod")
    ways = reachability.ways_out(resources, places(resources)["functions"]["MigrateFunction"])

    assert len(ways) == 3
    assert [
        subnet
        for subnet, outer in ways.items()
        if reachability.zone(resources, subnet) != reachability.zone(resources, outer)
    ] == []


# That it bites


def properties(resources: Resources, name: str) -> Any:
    return resources[f"Network.{name}"]["Properties"]


def with_an_open_database(resources: Resources) -> None:
    del properties(resources, "DatabaseFromFunctions")["SourceSecurityGroupId"]
    properties(resources, "DatabaseFromFunctions")["CidrIp"] = "0.0.0.0/0"


def with_a_database_open_to_all_of_the_network(resources: Resources) -> None:
    del properties(resources, "DatabaseFromFunctions")["SourceSecurityGroupId"]
    properties(resources, "DatabaseFromFunctions")["CidrIp"] = "10.0.0.0/16"
    properties(resources, "KafkaToKafka").update(FromPort=0, ToPort=65535)
    del properties(resources, "KafkaToKafka")["DestinationSecurityGroupId"]
    properties(resources, "KafkaToKafka")["CidrIp"] = "10.0.0.0/16"


def with_egress_of_all(resources: Resources) -> None:
    del properties(resources, "KafkaSecurityGroup")["SecurityGroupEgress"]


def without_the_pollers_rule(resources: Resources) -> None:
    del resources["Network.KafkaFromPollers"]


def without_a_zone_s_route(resources: Resources) -> None:
    del resources["Network.PrivateRouteB"]


def without_the_internet_gateway(resources: Resources) -> None:
    del resources["Network.InternetGatewayAttachment"]


def with_another_port(resources: Resources) -> None:
    properties(resources, "FunctionsToKafka").update(FromPort=9092, ToPort=9098)
    properties(resources, "KafkaFromFunctions").update(FromPort=9092, ToPort=9098)


@pytest.mark.parametrize(
    ("change", "differences"),
    [
        (with_an_open_database, {(OUTSIDE, "database"): {"tcp 5432"}, (OUTSIDE, "proxy"): {"tcp 5432"}}),
        (
            with_a_database_open_to_all_of_the_network,
            {(BROKERS, "database"): {"tcp 5432"}, (BROKERS, "proxy"): {"tcp 5432"}},
        ),
        (with_egress_of_all, {(BROKERS, OUTSIDE): {"-1 0-65535"}}),
        (without_the_pollers_rule, {(BROKERS, BROKERS): None}),
        (without_a_zone_s_route, {("functions", OUTSIDE): None, (BROKERS, OUTSIDE): None}),
        (without_the_internet_gateway, {("functions", OUTSIDE): None, (BROKERS, OUTSIDE): None}),
        (with_another_port, {("functions", BROKERS): {"tcp 9092-9098"}}),
    ],
)
def test_another_way_is_noticed(
    change: Callable[[Resources], None], differences: dict[tuple[str, str], set[str] | None]
) -> None:
    resources = made("prod")
    change(resources)
    found, intended = matrix(resources), EVERYWHERE | PROXY

    assert {
        pair: found.get(pair)
        for pair in found.keys() | intended.keys()
        if found.get(pair) != intended.get(pair)
    } == differences


def test_a_group_that_nobody_has_is_noticed() -> None:
    resources = made("dev")
    resources["Network.Spare"] = copy.deepcopy(resources["Network.KafkaSecurityGroup"])

    assert reachability.unattached_groups(resources) == {"Network.Spare"}
