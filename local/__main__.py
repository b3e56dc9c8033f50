"""The command line of the stack on one machine: `python -m local --help`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from local import settings
from local.broker import BrokerError
from local.console import Console
from local.postgres import PostgresError
from local.settings import SettingsError
from local.stack import Stack, StackError
from local.stack_file import AlreadyRunning
from local.template import TemplateError

ROOT = Path(__file__).parents[1]
_EXPECTED = (SettingsError, TemplateError, StackError, AlreadyRunning, PostgresError, BrokerError)


def run(_: argparse.Namespace) -> int:
    """Start everything and keep serving."""
    asyncio.run(_serve(Stack(settings.load(ROOT), Console())))
    return 0


async def _serve(stack: Stack) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stack.run(stopping)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The whole system on one machine.")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("run", help="start everything and keep serving").set_defaults(command=run)
    options = parser.parse_args(arguments)
    try:
        status: int = options.command(options)
        return status
    except _EXPECTED as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
