"""Builds and deploys with SAM; samconfig.toml says what each environment is."""

import re
import secrets
import shlex
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from deployment import (
    ROOT,
    build,
    combinations,
    costs,
    functions_config,
    infrastructure,
    kept,
    names,
    preflight,
    protection,
    region,
    tags,
    versions,
)
from deployment.build import release_of
from deployment.preflight import Problem
from deployment.sam import BUILD
from deployment.sam import sam as _sam

MINUTES = "40 to 70 minutes the first time (Kafka and the database), 5 to 15 later"
APP_ID = "CheckoutAppId"
ZONES = "Zones"

SAMCONFIG = ROOT / "samconfig.toml"

_QUOTED = """A value with blanks or quotes is written as in 'Prices="[{\\"amount_cents\\": 1000}]"'"""

NEVER_COMPLETE = (None, "CREATE_FAILED", "UPDATE_FAILED")
"""The statuses of a stack that cannot be rolled back. From the last two, CloudFormation continues only
without rollback."""


class NotDeployed(RuntimeError):
    """Nothing was changed; the message says why."""


def deploy(
    environment: str,
    confirm: Callable[[str], bool],
    say: Callable[[str], None],
    *,
    built: str | None = None,
    tagged: str | None = None,
    role: str | None = None,
    only_infrastructure: bool = False,
    only_plan: bool = False,
) -> None:
    """Check, build, deploy. With `built`, the digest of the existing build, that is deployed. `tagged` are
    the stack's tags, and `role` is as whom CloudFormation acts, instead of samconfig.toml's. With
    `only_infrastructure` the stack gets no functions yet; with `only_plan` it gets a change set alone.

    Raises NotDeployed, NoRegion, SamFailed, AnotherBuild, NotTags.
    """
    region()  # Without a region, all later calls fail.
    configured = settings(environment)
    profile = configured.get("Profile", "dev")
    shape = costs.shape_of(configured)
    stack = stack_name(environment)
    labels = tags.chosen(tagged, _parameters(environment, "deploy").get("tags", ""), preflight.tags_of(stack))
    role = role or _parameters(environment, "deploy").get("role_arn")
    problems = _problems(stack, configured, shape.nats)
    for problem in problems:
        say(f"{'stop' if problem.stops else 'note'}: {problem.what}")
    if any(problem.stops for problem in problems):
        raise NotDeployed("the deployment could not succeed")
    if only_infrastructure and infrastructure.has_functions(stack):
        raise NotDeployed(f"{stack} has functions, which would be deleted: deploy all of it")
    configured = {**configured, APP_ID: _app_id(stack, configured, say), **_zones(stack, configured, say)}
    month = sum(costs.monthly(shape, 0).values())
    say(f"{environment}: the profile {profile} costs about {month:,.0f} USD a month when idle (docs/cost.md)")
    if preflight.status_of(stack) is None:
        say(f"there is no stack {stack} yet: a new one is made, and others stay as they are")
    say(f"it takes {MINUTES}")
    if not confirm(f"Deploy {environment}"):
        raise NotDeployed("not confirmed, so nothing was changed")
    template: tuple[str, ...] = ()
    if only_infrastructure:
        template = ("--template-file", str(infrastructure.write()), "--config-file", str(SAMCONFIG))
    else:
        configured = _built(environment, configured, built, say)
    _sam(
        "deploy",
        *template,
        *_environment(environment),
        "--no-execute-changeset" if only_plan else "--no-confirm-changeset",
        "--disable-rollback" if is_first(stack) else "--no-disable-rollback",
        *tags.options(labels),
        *(("--role-arn", role) if role else ()),
        "--parameter-overrides",
        *_pairs(configured),
    )
    if only_plan:
        return
    if only_infrastructure:
        say(f"{stack} has no functions yet: the next deployment without --only makes them")
    elif profile == "prod":
        protection.protect(stack)
        say(f"{stack} is protected: `python -m deployment unprotect {stack}` before what replaces or deletes")


def is_first(stack: str) -> bool:
    """Return True until everything of the stack was complete once: then a failure is not rolled back.

    After a rollback, retained resources are left, and no logs or events with the reason.
    """
    return preflight.status_of(stack) in NEVER_COMPLETE or not infrastructure.has_functions(stack)


def _built(
    environment: str, configured: Mapping[str, str], built: str | None, say: Callable[[str], None]
) -> dict[str, str]:
    """The parameters, with the release of what was built."""
    # The layer is built for the parameter Architecture.
    if built is None:
        _sam("build", *_environment(environment), "--parameter-overrides", *_pairs(configured))
    else:
        build.require(built, configured.get("Architecture", build.ARCHITECTURE))
    release = release_of(BUILD, configured)
    say(f"release {release}")
    return {**configured, "Release": release}


def _problems(stack: str, configured: Mapping[str, str], nats: int) -> list[Problem]:
    found = list(
        preflight.check(
            stack,
            addresses=0 if configured.get("VpcId") else nats,
            is_audience_decided=bool(configured.get("JwtAudience")),
            app_id=configured.get(APP_ID),
            zones=tuple(configured[ZONES].split(",")) if configured.get(ZONES) else (),
            kafka=combinations.kafka_version(configured),
            database=versions.database(configured),
            is_copied=bool(configured.get("DatabaseCopyVaultArn")) and not configured.get("DatabaseHost"),
            others=names.configured(SAMCONFIG),
        )
    )
    if any(problem.stops for problem in found):
        return found
    is_new = preflight.status_of(stack) is None
    refused = [
        *combinations.refused(configured, is_new=is_new),
        *functions_config.refused(configured, stack),
    ]
    if not is_new:
        before = preflight.parameters_of(stack)
        refused += [*kept.unsaid(before, configured), *combinations.refused_after(before, configured)]
    return [*found, *map(Problem, refused)]


def _zones(stack: str, configured: Mapping[str, str], say: Callable[[str], None]) -> dict[str, str]:
    """The zones of the stack's own network, which never change, since others would need other subnets.

    A new stack gets them by name. CloudFormation would take the first of a list that changes when AWS opens a
    zone or the account loses its default network, and that may include a zone without brokers.
    """
    if configured.get("VpcId"):
        return {}
    if preflight.status_of(stack) is not None:
        kept = preflight.zones_of(stack)
        if configured.get(ZONES, kept) != kept:
            raise NotDeployed(
                f"{ZONES} of {stack} is {kept or 'empty'}, and other zones would be another network:"
                f" take {ZONES} out of samconfig.toml, and the stack keeps its own"
            )
        return {ZONES: kept} if kept else {}
    chosen = configured.get(ZONES) or ",".join(preflight.usable_zones()[: preflight.ZONES])
    say(f"{ZONES} of the new network are {chosen}, which it keeps")
    return {ZONES: chosen}


def _app_id(stack: str, configured: Mapping[str, str], say: Callable[[str], None]) -> str:
    """The mark of the stack's objects at Stripe: its own, else samconfig.toml's, else a generated one, which
    CloudFormation keeps as the stack's parameter."""
    if known := preflight.app_id_of(stack) or configured.get(APP_ID):
        return known
    # AWS accounts that share a Stripe account may have stacks of the same name.
    made_up = f"{stack}-{secrets.token_hex(4)}"
    say(f"{APP_ID} of the new stack is {made_up}: its mark at Stripe, which it keeps")
    if "DatabaseHost" in configured:
        say(
            f"note: if another stack's payments are in the database of DatabaseHost, stop here, and give"
            f" {APP_ID} of that stack in samconfig.toml"
        )
    return made_up


def settings(environment: str) -> dict[str, str]:
    """The template's parameters of an environment of samconfig.toml. Raises NotDeployed."""
    overrides = _parameters(environment, "deploy").get("parameter_overrides", [])
    try:
        pairs = shlex.split(overrides) if isinstance(overrides, str) else overrides
    except ValueError as error:
        raise NotDeployed(
            f"parameter_overrides of samconfig.toml cannot be read: {error}. {_QUOTED}"
        ) from error
    for pair in pairs:
        if not re.match(r"\w+=", pair):
            raise NotDeployed(
                f"{pair!r} in parameter_overrides of samconfig.toml is not Name=value. {_QUOTED}"
            )
    return dict(pair.split("=", 1) for pair in pairs)


def stack_name(environment: str) -> str:
    """The environment's stack. Raises NotDeployed."""
    # `sam deploy --guided` writes its own next to ours.
    given = _parameters(environment, "global") | _parameters(environment, "deploy")
    return str(given["stack_name"])


def config_name(environment: str) -> str:
    """The environment's name in samconfig.toml: `sam deploy --guided` knows only `default`."""
    return "default" if environment == "dev" else environment


def _parameters(environment: str, command: str) -> dict[str, Any]:
    with SAMCONFIG.open("rb") as file:
        config = tomllib.load(file)
    if config_name(environment) not in config:
        known = ", ".join("dev" if name == "default" else name for name in config if name != "version")
        raise NotDeployed(f"samconfig.toml has no environment {environment}; there are {known}")
    found: dict[str, Any] = config[config_name(environment)].get(command, {}).get("parameters", {})
    return found


def _pairs(parameters: Mapping[str, str]) -> list[str]:
    """As sam takes them: it ends a value that is not quoted at its first blank, and refuses an empty one."""
    return [f"{name}={_quoted(value)}" for name, value in sorted(parameters.items())]


def _quoted(value: str) -> str:
    if value and not re.search(r'[\s"]', value):
        return value
    as_sam_reads = {'"': r"\"", r"\"": r"\u0022"}  # sam ends a value at a quote that JSON escapes.
    return '"' + re.sub(r'\\[\\"]|"', lambda one: as_sam_reads.get(one[0], one[0]), value) + '"'


def _environment(environment: str) -> tuple[str, ...]:
    # `sam deploy --guided` may have written another region into samconfig.toml.
    return "--config-env", config_name(environment), "--region", region()
