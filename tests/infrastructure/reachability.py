"""Who can open a connection to whom in the network that the stack makes, by security groups and routes.

A model of AWS's rules. A group without egress rules lets everything out. Within a VPC everything has a route.
From a private subnet the way out leads through a NAT gateway, whose own subnet has a route to an attached
internet gateway. Addresses outside the network can get in if a group admits them, whatever the routes are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any, NamedTuple

from tests.infrastructure import whole
from tests.infrastructure.transformed import Resource

Resources = Mapping[str, Resource]

ANYWHERE = "0.0.0.0/0"
OUTSIDE = "outside"

ATTACHED = {
    "AWS::Lambda::Function": ("functions", "VpcConfig", "SecurityGroupIds", "SubnetIds"),
    "AWS::MSK::Cluster": ("brokers and pollers", "BrokerNodeGroupInfo", "SecurityGroups", "ClientSubnets"),
    "AWS::MSK::ServerlessCluster": ("brokers and pollers", "VpcConfigs", "SecurityGroups", "SubnetIds"),
    "AWS::RDS::DBProxy": ("proxy", "", "VpcSecurityGroupIds", "VpcSubnetIds"),
    "AWS::RDS::DBCluster": ("database", "", "VpcSecurityGroupIds", ""),
    "AWS::EC2::VPCEndpoint": ("endpoints", "", "SecurityGroupIds", "SubnetIds"),
}
"""By type: who that is, and where its groups and its subnets are. Lambda's pollers have the groups and the
subnets of the brokers that they read."""

ANSWERS_ONLY = frozenset({"endpoints"})
"""Who opens no connections."""


@dataclass(frozen=True)
class Place:
    groups: frozenset[str]
    subnets: frozenset[str]


class Ports(NamedTuple):
    protocol: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.protocol} {self.first}" + ("" if self.first == self.last else f"-{self.last}")

    def common(self, other: "Ports") -> "Ports | None":
        if self.protocol != other.protocol and "-1" not in (self.protocol, other.protocol):
            return None
        protocol = other.protocol if self.protocol == "-1" else self.protocol
        first, last = max(self.first, other.first), min(self.last, other.last)
        return Ports(protocol, first, last) if first <= last else None


class Rule(NamedTuple):
    """`peer` is a group or a range of addresses."""

    ports: Ports
    peer: str


ALL = Ports("-1", 0, 65535)


def places(resources: Resources) -> dict[str, dict[str, Place]]:
    """Who is where: by kind, by path."""
    found: dict[str, dict[str, Place]] = {}
    for path, resource in resources.items():
        if resource["Type"] not in ATTACHED:
            continue
        kind, within, groups, subnets = ATTACHED[resource["Type"]]
        properties = resource["Properties"]
        if within:
            properties = properties[within][0] if isinstance(properties[within], list) else properties[within]
        if resource["Type"] == "AWS::RDS::DBCluster":
            [group] = whole.referred(properties["DBSubnetGroupName"])
            properties, subnets = properties | resources[group]["Properties"], "SubnetIds"
        if groups in properties:  # A gateway endpoint has none.
            found.setdefault(kind, {})[path] = Place(
                frozenset(whole.referred(properties[groups])), frozenset(whole.referred(properties[subnets]))
            )
    return found


def matrix(resources: Resources) -> dict[tuple[str, str], set[str]]:
    """(from, to) to what can be opened, such as `tcp 443`, for those who can open something."""
    everybody = places(resources)
    found: dict[tuple[str, str], set[str]] = {}
    for one, ones in everybody.items():
        for other, others in everybody.items():
            if one not in ANSWERS_ONLY:
                found[one, other] = {
                    str(ports)
                    for source in ones.values()
                    for target in others.values()
                    for ports in _opened(resources, source, target)
                }
        if one not in ANSWERS_ONLY:
            found[one, OUTSIDE] = {
                str(rule.ports)
                for place in ones.values()
                for rule in _rules(resources, place, "Egress")
                if not _is_inside(resources, rule.peer) and ways_out(resources, place)
            }
        found[OUTSIDE, one] = {
            str(rule.ports)
            for place in ones.values()
            for rule in _rules(resources, place, "Ingress")
            if not _is_inside(resources, rule.peer)
        }
    return {pair: opened for pair, opened in found.items() if opened}


def ways_out(resources: Resources, place: Place) -> dict[str, str]:
    """By subnet, the subnet of the NAT gateway by which it reaches the internet; empty if one has no way."""
    ways = {}
    for subnet in place.subnets:
        for gateway in _default_routes(resources, subnet, "NatGatewayId"):
            [outer] = whole.referred(resources[gateway]["Properties"]["SubnetId"])
            if set(_default_routes(resources, outer, "GatewayId")) & _attached_gateways(resources):
                ways[subnet] = outer
    return ways if ways.keys() == place.subnets else {}


def reaches_s3_inside(resources: Resources, place: Place) -> bool:
    """True if every subnet has the gateway endpoint of S3 in its routes."""
    tables = {
        table
        for properties in _of_type(resources, "AWS::EC2::VPCEndpoint")
        if properties["ServiceName"].endswith(".s3")
        for table in whole.referred(properties.get("RouteTableIds", []))
    }
    return all(tables & set(_tables(resources, subnet)) for subnet in place.subnets)


def zone(resources: Resources, subnet: str) -> str:
    return str(resources[subnet]["Properties"]["AvailabilityZone"])


def unattached_groups(resources: Resources) -> set[str]:
    """Groups that nobody here has."""
    groups = {path for path, one in resources.items() if one["Type"] == "AWS::EC2::SecurityGroup"}
    return groups - {
        group for ones in places(resources).values() for place in ones.values() for group in place.groups
    }


def _opened(resources: Resources, source: Place, target: Place) -> Iterator[Ports]:
    for out in _rules(resources, source, "Egress"):
        for into in _rules(resources, target, "Ingress"):
            leaves = _is_meant(resources, out.peer, target)
            if leaves and _is_meant(resources, into.peer, source) and (ports := out.ports.common(into.ports)):
                yield ports


def _is_meant(resources: Resources, peer: str, place: Place) -> bool:
    if whole.referred(peer):
        return bool(whole.referred(peer) & place.groups)
    return any(_addresses(resources, subnet).subnet_of(ip_network(peer)) for subnet in place.subnets)


def _is_inside(resources: Resources, peer: str) -> bool:
    if whole.referred(peer):
        return True
    networks = (one for one in resources.values() if one["Type"] == "AWS::EC2::VPC")
    return any(IPv4Network(peer).subnet_of(IPv4Network(one["Properties"]["CidrBlock"])) for one in networks)


def _addresses(resources: Resources, subnet: str) -> Any:
    return ip_network(resources[subnet]["Properties"]["CidrBlock"])


def _rules(resources: Resources, place: Place, direction: str) -> Iterator[Rule]:
    for group in place.groups:
        inline = resources[group]["Properties"].get(f"SecurityGroup{direction}")
        if inline is None and direction == "Egress":
            yield Rule(ALL, ANYWHERE)
        yield from map(_rule, inline or [])
        for properties in _of_type(resources, f"AWS::EC2::SecurityGroup{direction}"):
            if group in whole.referred(properties["GroupId"]):
                yield _rule(properties)


def _rule(written: Mapping[str, Any]) -> Rule:
    names = ("SourceSecurityGroupId", "DestinationSecurityGroupId", "CidrIp")
    [peer] = [written[name] for name in names if name in written]
    protocol = str(written["IpProtocol"])
    if protocol == "-1":
        return Rule(ALL, peer)
    return Rule(Ports(protocol, int(written["FromPort"]), int(written["ToPort"])), peer)


def _tables(resources: Resources, subnet: str) -> Iterator[str]:
    for properties in _of_type(resources, "AWS::EC2::SubnetRouteTableAssociation"):
        if subnet in whole.referred(properties["SubnetId"]):
            yield from whole.referred(properties["RouteTableId"])


def _default_routes(resources: Resources, subnet: str, target: str) -> Iterator[str]:
    tables = set(_tables(resources, subnet))
    for properties in _of_type(resources, "AWS::EC2::Route"):
        is_default = properties["DestinationCidrBlock"] == ANYWHERE
        if is_default and tables & whole.referred(properties["RouteTableId"]):
            yield from whole.referred(properties.get(target, ""))


def _attached_gateways(resources: Resources) -> set[str]:
    return {
        gateway
        for properties in _of_type(resources, "AWS::EC2::VPCGatewayAttachment")
        for gateway in whole.referred(properties["InternetGatewayId"])
    }


def _of_type(resources: Resources, kind: str) -> Iterator[dict[str, Any]]:
    return (resource["Properties"] for resource in resources.values() if resource["Type"] == kind)
