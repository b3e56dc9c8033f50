"""The command line of a deployment: `python -m deployment --help`."""

import argparse
import sys
from collections.abc import Sequence

from deployment import ROOT, smoke
from deployment.aws_system import AwsSystem, NoSuchStack
from deployment.local_system import LocalSystem
from deployment.smoke import SmokeFailed
from local import own_stack, settings
from local.own_stack import NotStarted
from local.settings import SettingsError

_EXPECTED = (SmokeFailed, NoSuchStack, NotStarted, SettingsError)


def check(options: argparse.Namespace) -> None:
    """Prove that a stack works."""
    if options.stack:
        smoke.run(AwsSystem(options.stack), _done)
        return
    with own_stack.running(ROOT, settings.load(ROOT), print) as found:
        smoke.run(LocalSystem(found), _done)


def _done(what: str) -> None:
    print(f"  ok  {what}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deployment", description="From a clone to a stack on AWS that works."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    checked = commands.add_parser("smoke", help="prove that a stack works", description=smoke.__doc__)
    checked.add_argument("stack", nargs="?", help="its name; without one, the stack on this machine")
    checked.set_defaults(command=check)

    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except _EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
