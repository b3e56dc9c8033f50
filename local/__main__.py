"""The command line of the stack on one machine: `python -m local --help`."""

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends the imports, too, without a traceback.

import argparse
import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from checkout.base import terminal
from checkout.base.errors import InvalidRequest
from checkout.base.text import printable
from local import demo, doctor, samples, signing, trouble
from local.kafka import jars, topics
from local.kafka.apache import ApacheKafka
from local.kafka.jars import ApacheKafkaError
from local.lambda_runtime import template
from local.lambda_runtime.functions import LocalFunctions
from local.lambda_runtime.template import TemplateError
from local.sam.stack import SamStack
from local.stack import description, on_demand, settings
from local.stack.assembly import Stack, StackError
from local.stack.console import Console
from local.stack.description import AlreadyRunning, Description, NotRunning
from local.stack.settings import Settings, SettingsError
from local.trouble_steps import TroubleError

ROOT = Path(__file__).parents[1]
_EXPECTED = (
    *(SettingsError, TemplateError, StackError, AlreadyRunning, NotRunning),
    *(ApacheKafkaError, demo.DemoError, on_demand.NotStarted, TroubleError),
)


def run(options: argparse.Namespace) -> int:
    """Start everything and keep serving, as the kind of stack that `options.stack` is."""
    found, console = settings.load(ROOT), Console()
    console.show_logs()
    if found.kafka == "apache":
        jars.fetch(found.kafka_data, console.progress)
    asyncio.run(_serve(options.stack(found, console)))
    return 0


async def _serve(stack: Stack) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stack.run(stopping)


def buy(_: argparse.Namespace) -> int:
    """Make one whole purchase, through a temporary stack if none runs."""
    given = settings.load(ROOT)
    with on_demand.stack(ROOT, given, terminal.say) as found:
        demo.purchase(found)
    return 0


def serve_kafka(_: argparse.Namespace) -> int:
    """Run Apache Kafka alone, for stacks with KAFKA=apache in this folder, and for other programs."""
    given = settings.load(ROOT)
    data = given.kafka_data
    jars.fetch(data, terminal.say)
    kafka = ApacheKafka(topics(given.topic_prefix), data, nodes=given.kafka_nodes)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    kafka.start()
    try:
        terminal.say(f"Apache Kafka serves: KAFKA_BROKERS={kafka.address}")
        terminal.say("make run KAFKA=apache uses it; Ctrl-C stops it.")
        stopping.wait()
    finally:
        kafka.stop()
    return 0


def invoke(options: argparse.Namespace) -> int:
    """Run one function in an environment of its own and print its response; returns 1 if it failed."""
    given = settings.load(ROOT)
    declared = template.load(ROOT / "template.yaml")
    if options.function not in declared.functions:
        raise TemplateError(f"no function {options.function!r}; there are {', '.join(declared.functions)}")
    found = description.read(given.data)
    event = _fresh(_read_event(options.event), given, found)

    async def once() -> int:
        functions = LocalFunctions(
            declared, _variables(given, found), lambda _, line: terminal.complain(line)
        )
        try:
            result = await functions.invoke(options.function, event)
        finally:
            await functions.stop()
        terminal.say(json.dumps(result.value, indent=2))
        return int(result.is_error)

    return asyncio.run(once())


def operate(options: argparse.Namespace) -> int:
    """Run `python -m checkout.operations` on the running stack. Returns its exit status."""
    from checkout.operations import (
        command as verbs,
    )  # Importing all verbs takes a second, which others do not need.

    try:
        verbs.parser("python -m local operations").parse_args(options.arguments)
    except InvalidRequest as error:
        terminal.complain(f"error: {printable(error.detail)}")
        return 2
    given = settings.load(ROOT)
    layers = os.pathsep.join(str(layer) for layer in template.load(ROOT / "template.yaml").layers)
    environment = {
        **os.environ,
        **_variables(given, description.read(given.data)),
        "PYTHONPATH": layers,
    }
    # The arguments come last, so an --operator among them wins.
    command = [sys.executable, "-m", "checkout.operations", "--operator", terminal.user(), *options.arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def make_trouble(options: argparse.Namespace) -> int:
    """Break the running stack as the case says. Raises NotRunning, and TroubleError if that is impossible."""
    given = settings.load(ROOT)
    trouble.prepare(options.case, description.running(given.data), given.data, terminal.say)
    return 0


def sign(options: argparse.Namespace) -> int:
    """Print the Stripe-Signature of an event's body, or the event with it."""
    given = settings.load(ROOT)
    found = description.read(given.data)
    event = _read_event(options.file)
    if options.event:
        terminal.say(json.dumps(_fresh(event, given, found), indent=2))
    else:
        terminal.say(signing.header(signing.body_of(event), _webhook_secret(given, found)))
    return 0


def _read_event(name: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name} cannot be read as a JSON event: {error}") from error


def _fresh(event: Any, given: Settings, found: Description | None) -> Any:
    if not isinstance(event, dict):
        return event
    values = {name: str(value) for name, value in asdict(found).items()} if found else {}
    fresh = signing.freshen(event, _webhook_secret(given, found), values)
    if found is not None:
        samples.add_session(fresh, found.stripe_api_url)
    return fresh


def _webhook_secret(given: Settings, found: Description | None) -> str:
    return found.stripe_webhook_secret if found else given.current("STRIPE_WEBHOOK_SECRET")


def _variables(given: Settings, found: Description | None) -> Mapping[str, str]:
    """The variables of the running stack, or those of the environment if none runs and it names a database.

    Raises NotRunning if it names none.
    """
    if found is not None:
        return found.variables(given)
    if "CHECKOUT_DATABASE_URL" not in given.given:
        raise NotRunning
    return given.given


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The whole system on one machine.")
    commands = parser.add_subparsers(required=True, metavar="command")

    started = commands.add_parser("run", help="start everything and keep serving")
    started.set_defaults(command=run, stack=Stack)
    contained = commands.add_parser(
        "sam", help="start everything, with the functions in Lambda's own containers (needs Docker)"
    )
    contained.set_defaults(command=run, stack=SamStack)
    commands.add_parser("demo", help="make one whole purchase and check the balance").set_defaults(
        command=buy
    )

    examined = commands.add_parser("doctor", help="say what this machine has and lacks")
    examined.set_defaults(command=lambda _: doctor.main())

    served = commands.add_parser("kafka", help="fetch Apache Kafka and keep it running")
    served.set_defaults(command=serve_kafka)

    invoked = commands.add_parser("invoke", help="run one function with an event from a file")
    invoked.add_argument("function", help="its folder's name")
    invoked.add_argument("-e", "--event", required=True, metavar="FILE", help="JSON; - reads standard input")
    invoked.set_defaults(command=invoke)

    commands.add_parser("operations", help="inspect payments and repair them; docs/operations.md")

    troubled = commands.add_parser(
        "trouble",
        help="break the running stack, for practice with the operators' console",
        description="Breaks the running stack so that one payment is not credited. Find out why, and mend it,"
        " in the operators' console alone.",
        epilog="The cases, and what to look for:\n\n"
        + "\n".join(f"  {name:<20} {case.look}" for name, case in trouble.CASES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    troubled.add_argument("case", choices=trouble.CASES, metavar="case", help="one of those below")
    troubled.set_defaults(command=make_trouble)

    signed = commands.add_parser("sign", help="sign the body of a webhook event as Stripe would now")
    signed.add_argument("file", help="an HTTP event as JSON; - reads standard input")
    signed.add_argument("--event", action="store_true", help="print the whole event instead of the header")
    signed.set_defaults(command=sign)

    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["operations"]:
        # They have a parser of their own. argparse.REMAINDER would leave out a first --help or --operator.
        options = argparse.Namespace(command=operate, arguments=given[1:])
    else:
        options = parser.parse_args(given)
    try:
        status: int = options.command(options)
        return status
    except _EXPECTED as error:
        terminal.complain(f"error: {error}")
        return 1
    except KeyboardInterrupt:  # Outside the stack, which handles signals itself.
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise SystemExit(main())
