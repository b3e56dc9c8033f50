"""The command line: `python -m stripe_simulator --help`."""

import argparse
import io
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from stripe_simulator.app import create_app
from stripe_simulator.console import say
from stripe_simulator.settings import Settings

HOST = "127.0.0.1"
GRACE_SECONDS = 3
VARIABLES = "STRIPE_SIMULATOR_"
"""The prefix of environment variables."""
SECRET_VARIABLE = f"{VARIABLES}ENDPOINT_SECRET"

DURATIONS = {
    "debit_seconds": "from a bank debit to its settlement or failure",
    "refund_seconds": "from a refund's first status to its second",
    "dispute_seconds": "from a charge to its dispute or fraud warning, and from the evidence to the verdict",
    "retry_base_seconds": "before the first retry of a webhook; doubles from then on",
    "retry_cap_seconds": "the longest wait between two retries",
    "retry_for_seconds": "how long a webhook is tried again",
    "webhook_timeout_seconds": "how long an endpoint may take to answer",
    "redirect_wait_seconds": "how long the page waits for the webhook's answer before it redirects",
}
"""Fields of `Settings` that have an option and a variable of the same name, with their help."""

NAMES = {
    "allowed_hosts": "names that this server may be asked under, next to those of loopback",
    "allowed_endpoints": "machines that webhooks may be sent to, next to this one",
}
"""The same for comma-separated lists; the values of the option and of the variable are added."""


class Server(uvicorn.Server):
    """A server that logs a line once it accepts connections."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            say(f"stripe simulator listening on {self._url}")

    def disconnect(self, client: tuple[str, int]) -> None:
        """Close this client's connection without an answer."""
        for connection in list(self.server_state.connections):
            if getattr(connection, "client", None) == client and connection.transport:
                connection.transport.abort()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # A terminal without € still shows the other characters.
    secret = options.endpoint_secret or os.environ.get(SECRET_VARIABLE) or None
    if bool(options.endpoint_url) != bool(secret):
        _parser().error(f"--endpoint-url and --endpoint-secret (or {SECRET_VARIABLE}) go together")
    listener = _listen(options.port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    settings = Settings(
        data=options.data,
        public_url=options.public_url or url,
        endpoint_url=options.endpoint_url,
        endpoint_secret=secret,
        allowed_hosts=_names("allowed_hosts", options),
        allowed_endpoints=_names("allowed_endpoints", options),
        **{name: getattr(options, name) for name in DURATIONS},
    )
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # uvicorn raises the signal that stopped it again at its end, when nothing is left to do.
    for stopping in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stopping, lambda *_: None)
    server = Server(config, url)
    app.state.disconnect = server.disconnect
    server.run(sockets=[listener])
    return 0


def _listen(port: int) -> socket.socket:
    # With the protocol named, asyncio turns off Nagle's algorithm, which costs 40 ms an answer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        raise SystemExit(f"stripe simulator cannot listen on {HOST}:{port}: {error.strerror}") from error
    listener.listen(1024)
    return listener


def _parser() -> argparse.ArgumentParser:
    defaults = Settings(data=Path(".local/stripe"))
    parser = argparse.ArgumentParser(
        prog="python -m stripe_simulator",
        description="Stripe on this machine: API, hosted page, webhooks.",
        epilog=f"Durations and names can be set by variables, too, as in {VARIABLES}DEBIT_SECONDS=10.",
    )
    parser.add_argument("--port", type=int, default=9997, help=f"port on {HOST}; 0 takes a free one (9997)")
    parser.add_argument("--data", type=Path, default=defaults.data, help=f"folder to keep ({defaults.data})")
    parser.add_argument("--public-url", help="how a browser reaches this server (http://HOST:PORT)")
    parser.add_argument("--endpoint-url", help="a webhook endpoint to register at start")
    parser.add_argument("--endpoint-secret", help=f"its signing secret; or set {SECRET_VARIABLE}")
    for name, meaning in DURATIONS.items():
        default = os.environ.get(_variable(name)) or f"{getattr(defaults, name):g}"
        parser.add_argument(
            _option(name), type=float, default=default, metavar="S", help=f"{meaning} ({default})"
        )
    for name, meaning in NAMES.items():
        parser.add_argument(_option(name), default="", metavar="NAME,NAME", help=meaning)
    return parser


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _variable(name: str) -> str:
    return f"{VARIABLES}{name.upper()}"


def _names(of: str, options: argparse.Namespace) -> frozenset[str]:
    given = f"{getattr(options, of)},{os.environ.get(_variable(of), '')}"
    return frozenset(name.strip().lower() for name in given.split(",") if name.strip())


if __name__ == "__main__":
    raise SystemExit(main())
