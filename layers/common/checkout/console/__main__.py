"""`make console STACK=NAME`: the operators' console of a stack on AWS.

It invokes OperationsFunction with your AWS credentials. If they do not allow that, it shows nothing.
"""

import argparse
import signal
import threading
import webbrowser
from collections.abc import Sequence

from checkout.base import terminal
from checkout.base.errors import CheckoutError
from checkout.console.server import About, ConsoleServer
from checkout.operations import remote


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C, and return the exit status: 3 if AWS cannot be asked."""
    parser = argparse.ArgumentParser(prog="python -m checkout.console", description=__doc__)
    parser.add_argument("--stack", required=True, metavar="NAME", help="the CloudFormation stack")
    parser.add_argument(
        "--port", type=int, default=0, help="on 127.0.0.1; the machine chooses one by default"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    given = parser.parse_args(arguments)
    try:
        alias = remote.alias_of(given.stack)
    except CheckoutError as error:
        terminal.complain(f"error: {error.detail}")
        return 3
    # Stacks of one name can be in several regions.
    where = f"{given.stack} in {alias.split(':')[3]}"
    about = About(where, terminal.user())
    try:
        server = ConsoleServer(lambda words: remote.operated(alias, words), about, given.port)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it must be from 0 to 65535"
        terminal.complain(f"error: port {given.port} cannot be used: {reason}")
        return 2
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    server.start()
    terminal.say(f"The console of {where}: {server.url}\nCtrl-C ends it.")
    if given.open:
        webbrowser.open(server.url)
    stopping.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
