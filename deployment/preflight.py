"""Checks before a deployment, which itself may take an hour to fail."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError

from deployment import ROOT, backup_opt_in, names, region, versions

RUNTIME = "python3.13"
ZONES = 3
REFUSED_ZONES = frozenset({"use1-az3"})
"""Ids of zones without MSK brokers. A zone's letter differs between accounts, its id does not."""

LEAST_CONCURRENCY = 50
"""Eight hooks, the two versions that each asks at once, and as many again for who pays meanwhile: less, and a
release is taken back."""

CONCURRENCY = 100
"""Concurrent environments of the account; new accounts may have 10, which one busy function uses up."""

ROOTS = ROOT / "layers" / "common" / "checkout" / "certificates" / "aws-roots.pem"
"""The certificates that the functions trust for PostgreSQL. RDS has its own in each region."""

MINUTES = 90
"""How long credentials should still live. A first deployment takes 70 minutes, at its longest."""


@dataclass(frozen=True)
class Problem:
    """A finding; `stops` means that the deployment cannot succeed."""

    what: str
    stops: bool = True


def check(
    stack: str,
    *,
    addresses: int,
    is_audience_decided: bool = True,
    app_id: str | None = None,
    zones: Sequence[str] = (),
    kafka: str | None = None,
    database: str | None = None,
    is_copied: bool = False,
    others: Sequence[str] = (),
) -> Iterator[Problem]:
    """`addresses` is the number of public addresses of the stack's NAT gateways, 0 if it makes no network;
    `is_audience_decided` says that the parameter JwtAudience is given; `app_id` is CheckoutAppId, if given;
    `zones` are those of a new network, if given; `kafka` and `database` are versions of what the stack makes;
    `is_copied` says that AWS Backup copies the stack's database; `others` are stacks of other environments.

    An existing stack already has its network, so an upgrade needs none.
    """
    if not _has_python():
        yield Problem(f"{RUNTIME} is not on the PATH: sam build needs the functions' own Python")
    try:
        boto3.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        yield Problem(f"AWS does not accept your credentials: {error}")
        return
    yield from _roots(region())
    status = status_of(stack)
    yield from _standing(stack, status)
    yield from _entangled(stack, status, others)
    if not is_audience_decided and _checks_no_audience(stack):
        yield Problem(
            f"from this release on, users' tokens need aud={stack}: add it to them first, and until then"
            " deploy with JwtAudience=any (docs/deploy.md, How do I upgrade?)"
        )
    kept = app_id_of(stack)
    if app_id is not None and kept not in (None, app_id):
        yield Problem(
            f"CheckoutAppId of {stack} is {kept}, and with {app_id} its payments under way would not be"
            " recognised: take CheckoutAppId out of samconfig.toml, and the stack keeps its own"
        )
    looks: list[Callable[[], Iterator[Problem]]] = [_session, _concurrency]
    if addresses and status is None:
        looks += [lambda: _zones(zones), _vpcs, lambda: _addresses(addresses)]
    if kafka is not None and status is None:
        looks.append(lambda: map(Problem, versions.refused_kafka(kafka)))
    if database is not None and status is None:
        looks.append(lambda: map(Problem, versions.refused_database(database)))
    if is_copied:
        looks.append(lambda: map(Problem, backup_opt_in.missing()))
    for look in looks:
        try:
            yield from look()
        except (BotoCoreError, ClientError) as error:
            yield Problem(f"could not be checked: {error}", stops=False)


def _standing(stack: str, status: str | None) -> Iterator[Problem]:
    if status is None:
        yield from map(Problem, names.refused(stack))
    elif status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        yield Problem(
            f"{stack} is {status}, from which CloudFormation only deletes it: docs/deploy.md says how"
        )
    elif status == "UPDATE_ROLLBACK_FAILED":
        yield Problem(
            f"{stack} is {status}: repair what its events name, and then run"
            f" `aws cloudformation continue-update-rollback --stack-name {stack}`"
        )
    elif status.endswith("_IN_PROGRESS"):
        yield Problem(f"{stack} is {status}: wait until CloudFormation is done with it")


def _entangled(stack: str, status: str | None, others: Sequence[str]) -> Iterator[Problem]:
    for other in names.entangled(stack, others):
        try:
            if status_of(other) is None:
                continue  # It may be in another account, which is a better boundary than any name.
            is_here = True
        except ClientError:
            is_here = False  # The rights to deploy one stack may not suffice to look for another.
        short, long = sorted((stack, other), key=len)
        yield Problem(
            f"in one account, the rights to deploy {short} are also rights over {long}, whose name begins"
            f" with {short}-: call one of them something else in samconfig.toml, or deploy it to another"
            " account (docs/deploy.md, As whom does it deploy?)",
            stops=is_here and status is None,
        )


def status_of(stack: str) -> str | None:
    """The stack's status, or None if it does not exist yet. Raises what boto3 raises."""
    found = _described(stack)
    status = None if found is None else str(found["StackStatus"])
    # The status of a stack that has only a change set.
    return None if status == "REVIEW_IN_PROGRESS" else status


def app_id_of(stack: str) -> str | None:
    """The stack's CheckoutAppId; None if there is no such stack yet. Raises what boto3 raises."""
    return parameters_of(stack).get("CheckoutAppId")


def tags_of(stack: str) -> dict[str, str]:
    """The stack's tags. Raises what boto3 raises."""
    return {one["Key"]: one["Value"] for one in (_described(stack) or {}).get("Tags", [])}


def parameters_of(stack: str) -> dict[str, str]:
    """The stack's parameters; none if there is no such stack. Raises what boto3 raises."""
    given = (_described(stack) or {}).get("Parameters", [])
    return {one["ParameterKey"]: one["ParameterValue"] for one in given}


def _checks_no_audience(stack: str) -> bool:
    """Return True for a complete stack of a release without the output JwtAudience."""
    outputs = {one["OutputKey"] for one in (_described(stack) or {}).get("Outputs", [])}
    return "ApiUrl" in outputs and "JwtAudience" not in outputs


def _described(stack: str) -> dict[str, Any] | None:
    try:
        [found] = _client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return dict(found)


def _has_python() -> bool:
    own = ROOT / ".venv" / "bin" / RUNTIME
    program = str(own) if own.exists() else shutil.which(RUNTIME)
    return program is not None and not subprocess.run([program, "-c", ""], check=False).returncode


def _roots(name: str) -> Iterator[Problem]:
    if f"Amazon RDS {name} Root CA RSA2048 G1" not in ROOTS.read_text().splitlines():
        yield Problem(
            f"the functions could not trust a database in {name}: its root is not in"
            f" {ROOTS.relative_to(ROOT)}, which says where to get it"
        )


def usable_zones() -> list[str]:
    """The names of the region's zones that can have brokers, in order. Raises what boto3 raises."""
    asked = [
        {"Name": "zone-type", "Values": ["availability-zone"]},
        {"Name": "state", "Values": ["available"]},
    ]
    found = _client("ec2").describe_availability_zones(Filters=asked)["AvailabilityZones"]
    return sorted(str(one["ZoneName"]) for one in found if one["ZoneId"] not in REFUSED_ZONES)


def zones_of(stack: str) -> str:
    """The stack's Zones, or an empty string if it took the region's first. Raises what boto3 raises."""
    return parameters_of(stack).get("Zones", "")


def _zones(given: Sequence[str]) -> Iterator[Problem]:
    usable = usable_zones()
    if len(usable) < ZONES:
        yield Problem(f"the region has {len(usable)} zones for you and for brokers, and {ZONES} are needed")
    elif given and (len(given) != ZONES or not set(given) <= set(usable)):
        yield Problem(f"Zones are {', '.join(given)}, and must be {ZONES} of {', '.join(usable)}")


def _session() -> Iterator[Problem]:
    credentials = boto3.Session().get_credentials()
    if not isinstance(credentials, RefreshableCredentials):
        return  # They do not end, or the environment does not say when (AWS_CREDENTIAL_EXPIRATION).
    credentials.get_frozen_credentials()  # Some are only got now.
    if credentials.refresh_needed(refresh_in=MINUTES * 60):
        yield Problem(
            f"your credentials end within {MINUTES} minutes: sign in again if this may take longer."
            " CloudFormation acts with them, too, unless it is given a role (docs/deploy.md)",
            stops=False,
        )


def _concurrency() -> Iterator[Problem]:
    allowed = _client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    if allowed < CONCURRENCY:
        yield Problem(
            f"Lambda may run {allowed} environments at once; have the quota raised to {CONCURRENCY} or more",
            stops=allowed < LEAST_CONCURRENCY,
        )


def _vpcs() -> Iterator[Problem]:
    used, allowed = len(_client("ec2").describe_vpcs()["Vpcs"]), _quota("vpc", "L-F678F1CE")
    if used + 1 > allowed:
        yield Problem(f"{used} of {allowed} VPCs are used: delete one, raise the quota, or give VpcId")


def _addresses(needed: int) -> Iterator[Problem]:
    used, allowed = len(_client("ec2").describe_addresses()["Addresses"]), _quota("ec2", "L-0263D0A3")
    if used + needed > allowed:
        yield Problem(f"{used} of {allowed} elastic addresses are used, and {needed} more are needed")


def _quota(service: str, code: str) -> int:
    answer = _client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
    return int(answer["Quota"]["Value"])


def _client(service: str) -> Any:
    return boto3.client(service)  # type: ignore[call-overload]
