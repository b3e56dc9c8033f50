"""The command line of a deployment: `python -m deployment --help`."""

import argparse
import getpass
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError

from checkout.base import terminal
from checkout.base.errors import CheckoutError
from checkout.base.text import printable
from checkout.console import __main__ as console
from checkout.operations import command
from deployment import (
    ROOT,
    NoRegion,
    build,
    change_set,
    configure,
    costs,
    deploy,
    protection,
    region,
    smoke,
    undo,
)
from deployment.aws_system import AwsSystem, NoSuchStack
from deployment.build import AnotherBuild
from deployment.configure import NotConfigured
from deployment.deploy import NotDeployed
from deployment.local_system import LocalSystem
from deployment.sam import SamFailed
from deployment.smoke_client import SmokeFailed
from deployment.tags import NotTags
from local.stack import on_demand, settings
from local.stack.on_demand import NotStarted
from local.stack.settings import SettingsError

_EXPECTED = (
    *(SmokeFailed, NotConfigured, NotDeployed, NoSuchStack, SettingsError),
    *(NoRegion, BotoCoreError, ClientError, CheckoutError, SamFailed, AnotherBuild, NotTags),
)


NO_CHANGES = "none"
"""Instead of a change set's ARN."""


def bring_up(options: argparse.Namespace) -> None:
    """Preflight, build, deploy."""
    given = {"built": options.built, "tagged": options.tags, "role": options.role_arn}
    given["only_infrastructure"] = options.only is not None
    terminal.complain(f"checking the account for {options.environment}")
    if options.plan:
        terminal.say(change_set.plan(options.environment, terminal.say, **given) or NO_CHANGES)
        return
    deploy.deploy(
        options.environment, lambda what: options.yes or terminal.confirmed(what), terminal.say, **given
    )


def carry_out(options: argparse.Namespace) -> None:
    """Execute a change set."""
    region()
    change_set.execute(options.arn, terminal.say)


def make(options: argparse.Namespace) -> None:
    """Build, and print the digest as the last line."""
    terminal.say(build.make(options.architecture))


def take_back(options: argparse.Namespace) -> None:
    """Undo a failed deployment, and delete what it made."""
    region()
    undo.undo(options.stack, lambda what: options.yes or terminal.confirmed(what), terminal.say)


def unprotect(options: argparse.Namespace) -> None:
    """Let the next change replace or delete what holds something."""
    region()
    if not (options.yes or terminal.confirmed(f"Let {options.stack}'s database, brokers and secrets go")):
        raise NotDeployed("not confirmed, so nothing was changed")
    protection.release(options.stack)
    terminal.say(f"{options.stack} is unprotected, until the next deployment")


def connect_stripe(options: argparse.Namespace) -> None:
    """Set up the key, the endpoint at Stripe, and its signing secret."""
    region()
    configure.configure(
        AwsSystem(options.stack), getpass.getpass, terminal.say, rotate=options.rotate, leaked=options.leaked
    )


def price(_: argparse.Namespace) -> None:
    """Print what a month costs."""
    terminal.say(costs.table())


def check(options: argparse.Namespace) -> None:
    """Prove that a stack works."""
    if options.stack:
        region()
        system = AwsSystem(options.stack)
        try:
            system.secret("STRIPE_SECRET")
        except SmokeFailed as missing:
            if not options.if_configured:
                raise
            terminal.say(f"skipped: {missing}")
            return
        smoke.run(system, _done)
        return
    given = settings.load(ROOT)
    with on_demand.stack(ROOT, given, terminal.say) as found:
        smoke.run(LocalSystem(found, given), _done)


def operate(options: argparse.Namespace) -> int:
    """The verbs of docs/operations.md on a stack on AWS: --yes confirms, since the function cannot ask."""
    program = f"python -m deployment operations {options.stack}"
    given = command.parser(program).parse_args(options.arguments)
    region()
    answer = AwsSystem(options.stack).operated(options.arguments)
    if "error" in answer:
        terminal.complain(f"error: {printable(answer['error'])}")
        return 2
    terminal.say(command.written(given, answer["result"]))
    return int(not answer["clean"])


def open_console(options: argparse.Namespace) -> int:
    """Serve the console of a stack on AWS until Ctrl-C."""
    region()
    return console.main(["--open", "--stack", options.stack])


def _done(what: str) -> None:
    terminal.say(f"  ok  {what}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deployment", description="From a clone to a stack on AWS that works."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    deployed = commands.add_parser("deploy", help="check, build and deploy an environment of samconfig.toml")
    deployed.add_argument("environment", help="dev, staging or prod")
    deployed.add_argument("--yes", action="store_true", help="do not ask")
    deployed.add_argument(
        "--plan", action="store_true", help="only make a change set; its ARN is the last line, or `none`"
    )
    which = deployed.add_mutually_exclusive_group()
    which.add_argument(
        "--only",
        choices=("infrastructure",),
        help="of a new stack: network, database and Kafka first, without building anything",
    )
    which.add_argument(
        "--built",
        metavar="DIGEST",
        help="deploy the build that is here, if its digest is this, and build nothing",
    )
    deployed.add_argument(
        "--tags",
        metavar="PAIRS",
        help="the stack's tags: 'Team=pay CostCenter=42'; by default samconfig.toml's, else the stack's own",
    )
    deployed.add_argument(
        "--role-arn", help="as whom CloudFormation acts; by default samconfig.toml's role_arn, else you"
    )
    deployed.set_defaults(command=bring_up)

    executed = commands.add_parser("execute", help="execute a change set that `deploy --plan` made")
    executed.add_argument("arn", help="its ARN, which is the last line of the plan")
    executed.set_defaults(command=carry_out)

    built = commands.add_parser(
        "build", help="build what is deployed, without credentials; prints its digest"
    )
    built.add_argument("--architecture", choices=("arm64", "x86_64"), default=build.ARCHITECTURE)
    built.set_defaults(command=make)

    undone = commands.add_parser("undo", help="undo a failed deployment, and delete what it made")
    undone.add_argument("stack", help="its name")
    undone.add_argument("--yes", action="store_true", help="do not ask")
    undone.set_defaults(command=take_back)

    freed = commands.add_parser(
        "unprotect", help="let the next change replace or delete what holds something"
    )
    freed.add_argument("stack", help="its name")
    freed.add_argument("--yes", action="store_true", help="do not ask")
    freed.set_defaults(command=unprotect)

    configured = commands.add_parser(
        "configure", help="Stripe's key, the webhook endpoint, its secret", description=configure.__doc__
    )
    configured.formatter_class = argparse.RawDescriptionHelpFormatter
    configured.add_argument("stack", help="its name")
    which = configured.add_mutually_exclusive_group()
    which.add_argument("--rotate", action="store_true", help="a new signing secret; both accepted for a day")
    which.add_argument("--leaked", action="store_true", help="a new signing secret, and the old one refused")
    configured.set_defaults(command=connect_stripe)

    commands.add_parser("cost", help="print what a month costs, by volume").set_defaults(command=price)

    checked = commands.add_parser("smoke", help="prove that a stack works", description=smoke.__doc__)
    checked.add_argument("stack", nargs="?", help="its name; without one, the stack on this machine")
    checked.add_argument(
        "--if-configured", action="store_true", help="skip a stack on AWS that has no key of Stripe yet"
    )
    checked.set_defaults(command=check)

    operated = commands.add_parser("operations", help="inspect payments and repair them; docs/operations.md")
    operated.add_argument("stack", help="its name")
    operated.add_argument("arguments", nargs=argparse.REMAINDER, help="a verb and its arguments")
    operated.set_defaults(command=operate)

    watched = commands.add_parser("console", help="open the operators' console; docs/operations.md")
    watched.add_argument("stack", help="its name")
    watched.set_defaults(command=open_console)

    options = parser.parse_args(arguments)
    try:
        return int(options.command(options) or 0)
    except NotStarted as error:  # Ends with the last lines of a log.
        terminal.complain(f"error: {error}")
        return 1
    except _EXPECTED as error:
        terminal.complain(f"error: {printable(str(error))}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
