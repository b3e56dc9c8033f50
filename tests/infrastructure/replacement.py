"""What an update would replace: a database, brokers, a network or a secret would be another, empty one.

A release is compared with the templates of the last tag; if there is none, with stateful.json, which
`python -m tests.infrastructure.replacement` writes anew. That accepts a replacement while nothing was
deployed; later, DELIBERATE does.
"""

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from deployment import protection
from tests.infrastructure import whole
from tests.infrastructure.rules import RETAINED
from tests.infrastructure.transformed import REGION, ROOT, Resource, Template

RECORDED = Path(__file__).with_name("stateful.json")

STATEFUL = protection.STATEFUL
"""Next to whatever has a policy that keeps it."""

OWN_NETWORK = {
    "VpcId": "vpc-own",
    "SubnetIds": "subnet-1,subnet-2,subnet-3",
    "SecurityGroupIds": "sg-1,sg-2,sg-3",
}

STACKS = {
    "dev": {"Profile": "dev"},
    "prod": {"Profile": "prod", "FlowLogs": "true"},
    "dev, own network": {"Profile": "dev", **OWN_NETWORK},
    "prod, own network": {
        **{"Profile": "prod", "AuditTrail": "operations", "EdgeCertificateArn": "arn:aws:acm:us-east-1:x"},
        **OWN_NETWORK,
    },
}
"""The stacks of which each parameter is changed."""

_IN_SUBNETS = ("Database.DatabaseProxy", "Kafka.*Cluster")

PURPOSE: dict[str, tuple[str, tuple[str, ...]]] = {
    "Profile": (
        "takes away what only the other one has; docs/deploy.md asks for a new stack",
        (
            "Database.DatabaseProxy",
            "Database.StandbyInstance",
            "Kafka.Configuration",
            "Network.PublicSubnet[BC]",
        ),
    ),
    "Zones": (
        "moves a new network to other zones; preflight keeps those of a stack that is there",
        ("Network.*Subnet[ABC]", *_IN_SUBNETS),
    ),
    "VpcId": (
        "takes the stack to a network that you have, instead of its own, or back",
        ("Network.*", *_IN_SUBNETS),
    ),
    "SubnetIds": ("takes brokers and proxy to other subnets", _IN_SUBNETS),
    "SecurityGroupIds": ("MSK gives no cluster other security groups", ("Kafka.*Cluster",)),
    "KafkaBrokerType": (
        "serverless is a cluster of another kind; the one of before stays, outside the stack",
        ("Kafka.Cluster", "Kafka.Logs", "Kafka.Configuration"),
    ),
    "DataKeyArn": (
        "is of a new stack; `make deploy` refuses another one",
        ("Database.Cluster", "Database.Writer", "Database.StandbyInstance", "Kafka.Cluster"),
    ),
    "KafkaClusterArn": (
        "takes the stack to a cluster that you have; its own stays, outside the stack",
        ("Kafka", "Kafka.*"),
    ),
    "KafkaBootstrap": (
        "takes the stack to a cluster that you have; its own stays, outside the stack",
        ("Kafka", "Kafka.*"),
    ),
    "DatabaseHost": (
        "takes the stack to a database that you have; its own stays, outside the stack",
        ("Database", "Database.*"),
    ),
    "FlowLogs": ("ends the records; the bucket that has them stays, outside the stack", ("Audit.Bucket",)),
    "AuditTrail": ("ends the records; the bucket that has them stays, outside the stack", ("Audit.Bucket",)),
    "EdgeCertificateArn": (
        "takes CloudFront away; the path by which it reaches the API is of no use without it",
        ("Edge.OriginPath",),
    ),
    "SecretArn": ("takes the stack to a secret that you have; its own stays, outside the stack", ("Secret",)),
    "StripeSecretArn": (
        "takes the stack to a secret that you have; its own stays, outside the stack",
        ("StripeSecret",),
    ),
}
"""Parameters that are there to replace or to take away something: the reason, and the paths that may go."""

DELIBERATE: dict[str, str] = {}
"""Resources that the next release is meant to replace, by path, each with the reason and the way to do it."""

_CANDIDATES = (
    "other",
    "7",
    "60",
    "usd",
    "192.0.2.1",
    "3.9.x",
    "kafka.m7g.large",
    "b" * 64,
    "https://other.example",
    "https://other.example/keys",
    *(
        f"arn:aws:{service}:{REGION}:444455556666:{resource}"
        for service, resource in (
            ("kafka", "cluster/other/id"),
            ("secretsmanager", "secret:other"),
            ("lambda", "layer:other:1"),
            ("acm", "certificate/other"),
            ("sns", "other"),
            ("kms", "key/00000000-0000-0000-0000-000000000000"),
            ("backup", "backup-vault:other"),
            ("iam", "policy/other"),
        )
    ),
    "arn:aws:iam::444455556666:policy/other",
    "arn:aws:acm:us-east-1:444455556666:certificate/other",
    "arn:aws:wafv2:us-east-1:444455556666:global/webacl/other/id",
    "other@example.com",
    "b-1.other.example:9096",
    "eu-west-1",
    "txcd_10000000",
    '[{"amount_cents": 1000, "credit_cents": 1100}]',
    '{"allow_promotion_codes": true}',
    "60",
)

Stateful = dict[str, dict[str, Any]]
"""By path: the type under `Type`, and the properties that cannot be changed, by their place in the schema."""


def stateful(resources: Mapping[str, Resource]) -> Stateful:
    """Of all resources, those that hold something, with what CloudFormation would replace them for."""
    return {
        path: {"Type": resource["Type"], **_fixed(resource)}
        for path, resource in sorted(resources.items())
        if resource["Type"] in STATEFUL
        or RETAINED & {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")}
    }


def replaced(before: Stateful, after: Stateful) -> dict[str, str]:
    """What would be gone or another one afterwards, by path, with the reason."""
    found = {
        path: "is no longer in the template" if path not in after else difference
        for path in before
        if (difference := _difference(before[path], after.get(path, {}))) is not None
    }
    while True:
        # A resource whose fixed property names a replaced one gets another name there.
        more = {
            path: f"is made for {', '.join(sorted(named))}, which would be another one"
            for path, fixed in after.items()
            if path in before and path not in found and (named := whole.referred(fixed) & found.keys())
        }
        if not more:
            return found
        found |= more


def is_meant(parameter: str, path: str) -> bool:
    """True if it is a purpose of the parameter that the resource goes."""
    _, paths = PURPOSE.get(parameter, ("", ()))
    return any(fnmatch(path, pattern) for pattern in paths)


def other_values(declared: Template, current: str) -> Iterator[str]:
    """Values that a parameter may have instead of this one. Raises ValueError if none is known."""
    if "AllowedValues" in declared:
        yield from (value for value in declared["AllowedValues"] if value != current)
        return
    if current not in ("", declared.get("Default", current)):
        yield declared["Default"]
    pattern, many = declared.get("AllowedPattern", ".*"), declared["Type"] == "CommaDelimitedList"
    for value in ("7", "8") if declared["Type"] == "Number" else _CANDIDATES:
        if value not in current and re.search(pattern, value):
            yield ",".join([value] * 3) if many else value
            return
    raise ValueError(f"no value of {pattern} is known: give one to _CANDIDATES")


def last_release(root: Path = ROOT) -> whole.Source | None:
    """The templates of the last tag; None if there is no tag, or no repository."""
    tag = _git(root, "describe", "--tags", "--abbrev=0")
    if tag is None:
        return None
    archive = _git(root, "archive", tag.decode().strip(), "template.yaml", "infrastructure")
    if archive is None:
        raise ValueError(f"{tag.decode().strip()} has no templates")
    with TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        return whole.source_in(Path(folder))


def recorded(source: whole.Source) -> dict[str, Stateful]:
    """What stateful.json holds: by stack, its stateful resources."""
    return {
        name: stateful(whole.resources(source, _known(source, parameters)))
        for name, parameters in STACKS.items()
    }


def released(root: Path = ROOT) -> dict[str, Stateful]:
    """By stack, the stateful resources of the last release."""
    release = last_release(root)
    if release is not None:
        return recorded(release)
    content: dict[str, Stateful] = json.loads(RECORDED.read_text())
    return content


def _known(source: whole.Source, parameters: Mapping[str, str]) -> dict[str, str]:
    """An earlier release may not know them all."""
    return {name: value for name, value in parameters.items() if name in source.application["Parameters"]}


def _difference(before: dict[str, Any], after: dict[str, Any]) -> str | None:
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            return f"{name}: {before.get(name)} becomes {after.get(name)}"
    return None


def _fixed(resource: Resource) -> dict[str, Any]:
    found = {}
    for pointer in _create_only(resource["Type"]):
        value: Any = {"properties": resource.get("Properties", {})}
        for part in pointer.strip("/").split("/"):
            value = value.get(part) if isinstance(value, dict) else None
        if value is not None:
            found[pointer.removeprefix("/properties/")] = value
    return found


@cache
def _create_only(kind: str) -> tuple[str, ...]:
    """JSON pointers. What is replaced under conditions counts as if it always were."""
    schema: dict[str, list[str]] = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    return (*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ()))


def _git(root: Path, *command: str) -> bytes | None:
    done = subprocess.run(["git", "-C", str(root), *command], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    RECORDED.write_text(json.dumps(recorded(whole.source()), indent=1, sort_keys=True) + "\n")
