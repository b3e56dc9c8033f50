"""The command line of the stack on one machine: `python -m local --help`."""

import argparse
import asyncio
import getpass
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from checkout.base import terminal
from local import demo, samples, signing
from local.kafka import jars as kafka_jars
from local.kafka.apache import ApacheKafka
from local.kafka.jars import ApacheKafkaError
from local.lambda_runtime import template
from local.lambda_runtime.functions import Functions
from local.lambda_runtime.template import TemplateError
from local.stack import own_stack, sam, settings, stack_file
from local.stack.console import Console
from local.stack.settings import Settings, SettingsError
from local.stack.stack import TOPICS, Stack, StackError
from local.stack.stack_file import AlreadyRunning, StackFile

ROOT = Path(__file__).parents[1]
_EXPECTED = (
    *(SettingsError, TemplateError, StackError, AlreadyRunning),
    *(ApacheKafkaError, demo.DemoError, own_stack.NotStarted),
)


def run(_: argparse.Namespace) -> int:
    """Start everything and keep serving."""
    told, console = settings.load(ROOT), Console()
    console.show_logs()
    if told.kafka == "apache":
        kafka_jars.fetch(told.kafka_data, console.progress)
    asyncio.run(_serve(Stack(told, console)))
    return 0


def run_in_containers(_: argparse.Namespace) -> int:
    """The same with the functions in Lambda's own containers."""
    told, console = settings.load(ROOT), Console()
    console.show_logs()
    if told.kafka == "apache":
        kafka_jars.fetch(told.kafka_data, console.progress)
    asyncio.run(_serve(sam.SamStack(told, console)))
    return 0


async def _serve(stack: Stack) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await stack.run(stopping)


def buy(_: argparse.Namespace) -> int:
    """One whole purchase, through a stack of its own where none runs."""
    told = settings.load(ROOT)
    with own_stack.running(ROOT, told, terminal.say) as found:
        demo.purchase(found)
    return 0


def serve_kafka(_: argparse.Namespace) -> int:
    """Apache Kafka alone, for stacks with KAFKA=apache in this folder, and for whoever else wants it."""
    told = settings.load(ROOT)
    data = told.kafka_data
    kafka_jars.fetch(data, terminal.say)
    kafka = ApacheKafka(TOPICS, data, nodes=told.kafka_nodes)
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
    """Run one function in a worker of its own and print its response; 1 where it failed."""
    told = settings.load(ROOT)
    declared = template.load(ROOT / "template.yaml")
    if options.function not in declared.functions:
        raise TemplateError(f"no function {options.function!r}; there are {', '.join(declared.functions)}")
    found = stack_file.read(told.data)
    event = _fresh(_read_event(options.event), told, found)

    async def once() -> int:
        functions = Functions(declared, _variables(told, found), lambda _, line: terminal.complain(line))
        try:
            result = await functions.invoke(options.function, event)
        finally:
            await functions.stop()
        terminal.say(json.dumps(result.value, indent=2))
        return int(result.is_error)

    return asyncio.run(once())


def operate(options: argparse.Namespace) -> int:
    """`python -m checkout.operations` on the running stack."""
    told = settings.load(ROOT)
    layers = os.pathsep.join(str(layer) for layer in template.load(ROOT / "template.yaml").layers)
    environment = {**os.environ, **_variables(told, stack_file.read(told.data)), "PYTHONPATH": layers}
    # What is given after the verb wins.
    command = [sys.executable, "-m", "checkout.operations", "--operator", _user(), *options.arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container's user can have no name.
        return f"user {os.getuid()}"


def sign(options: argparse.Namespace) -> int:
    """Print the Stripe-Signature of an event's body, or the event with it."""
    told = settings.load(ROOT)
    found = stack_file.read(told.data)
    event = _read_event(options.file)
    if options.event:
        terminal.say(json.dumps(_fresh(event, told, found), indent=2))
    else:
        terminal.say(signing.header(signing.body_of(event), _webhook_secret(told, found)))
    return 0


def _read_event(name: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if name == "-" else Path(name).read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{name} cannot be read as a JSON event: {error}") from error


def _fresh(event: Any, told: Settings, found: StackFile | None) -> Any:
    if not isinstance(event, dict):
        return event
    values = {name: str(value) for name, value in asdict(found).items()} if found else {}
    fresh = signing.freshen(event, _webhook_secret(told, found), values)
    if found is not None:
        samples.tell_simulator(fresh, found.stripe_api_url)
    return fresh


def _webhook_secret(told: Settings, found: StackFile | None) -> str:
    return found.stripe_webhook_secret if found else told.current("STRIPE_WEBHOOK_SECRET")


def _variables(told: Settings, found: StackFile | None) -> Mapping[str, str]:
    """The running stack's; without one, what the environment says."""
    return told.given if found is None else found.variables(told)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description="The whole system on one machine.")
    commands = parser.add_subparsers(required=True, metavar="command")

    commands.add_parser("run", help="start everything and keep serving").set_defaults(command=run)
    commands.add_parser(
        "sam", help="start everything, the functions in Lambda's own containers (needs Docker)"
    ).set_defaults(command=run_in_containers)
    commands.add_parser("demo", help="make one whole purchase and check the balance").set_defaults(
        command=buy
    )

    served = commands.add_parser("kafka", help="fetch Apache Kafka, and keep it running")
    served.set_defaults(command=serve_kafka)

    invoked = commands.add_parser("invoke", help="run one function with an event from a file")
    invoked.add_argument("function", help="its folder's name")
    invoked.add_argument("-e", "--event", required=True, metavar="FILE", help="JSON; - reads standard input")
    invoked.set_defaults(command=invoke)

    operated = commands.add_parser(
        "operations", help="look into payments and mend them", epilog="See docs/operations.md."
    )
    operated.add_argument("arguments", nargs=argparse.REMAINDER, help="a verb and what belongs to it")
    operated.set_defaults(command=operate)

    signed = commands.add_parser("sign", help="sign the body of a webhook event as Stripe would, now")
    signed.add_argument("file", help="an HTTP event as JSON; - reads standard input")
    signed.add_argument("--event", action="store_true", help="print the whole event, not only the header")
    signed.set_defaults(command=sign)

    options = parser.parse_args(arguments)
    try:
        status: int = options.command(options)
        return status
    except _EXPECTED as error:
        terminal.complain(f"error: {error}")
        return 1
    except KeyboardInterrupt:  # Before or beside the stack, which deals with it by itself.
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
