"""The Stripe simulator as a process, and an endpoint that records its webhooks."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
import stripe

from local import processes
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0


class Simulator:
    """The simulator; `options` are those of its command line, with underscores: `debit_seconds=0.2`."""

    def __init__(self, data: Path, *, endpoint_secret: str | None = None, **options: object) -> None:
        self.data = data
        self._secret = endpoint_secret
        self._options = {
            "port": processes.free_port(),
            "retry_base_seconds": 0.1,
            "retry_cap_seconds": 0.5,
            **options,
        }
        self._process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        self.url = ""

    @property
    def client(self) -> stripe.StripeClient:
        return stripe.StripeClient("sk_test_x", base_addresses={"api": self.url})

    def start(self) -> "Simulator":
        """Return once it listens. Later starts use the same port."""
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in self._options.items()]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        if self._secret:
            environment["STRIPE_SIMULATOR_ENDPOINT_SECRET"] = self._secret
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stripe_simulator", f"--data={self.data}", *flags],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        eventually(
            lambda: any("listening on" in line for line in self.lines), START_SECONDS, lambda: self.lines
        )
        self.url = next(line for line in self.lines if "listening on" in line).rpartition(" ")[2]
        return self

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def __enter__(self) -> "Simulator":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self._end(signal.SIGKILL)

    def create_session(self, amount: int = 500, **params: Any) -> stripe.checkout.Session:
        return self.client.v1.checkout.sessions.create(session_params(amount, **params))

    def pay(
        self, session: stripe.checkout.Session, card_number: str = "4242 4242 4242 4242", **fields: str
    ) -> requests.Response:
        """Submit the hosted page's form; the redirect is not followed."""
        address = f"{self.url}/c/pay/{session.id}"
        form = {"card_number": card_number, **fields}
        return requests.post(address, data=form, allow_redirects=False, timeout=30)

    def spoil_webhooks(self, mode: str) -> None:
        self.control("webhooks", {"mode": mode})

    def control(self, path: str, body: Mapping[str, Any]) -> Any:
        response = requests.post(f"{self.url}/_simulator/{path}", json=body, timeout=10)
        response.raise_for_status()
        return response.json()

    def fault(self, **fault: Any) -> None:
        """See stripe_simulator.api.faults.Fault."""
        self.control("faults", fault)

    def clear_faults(self) -> None:
        requests.delete(f"{self.url}/_simulator/faults", timeout=5).raise_for_status()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON as Stripe sends it."""
        headers = {"Authorization": "Bearer sk_test_x"}
        return requests.get(f"{self.url}{path}", params=query, headers=headers, timeout=10).json()

    def sessions_of(self, request_id: str) -> list[dict[str, Any]]:
        sessions = self.get("/v1/checkout/sessions", limit=100)["data"]
        return [session for session in sessions if session["metadata"].get("request_id") == request_id]

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        for line in process.stdout:
            self.lines.append(line.rstrip())

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(number)
        code = self._process.wait(15)
        self._process = None
        return code


def session_params(amount: int = 500, **params: Any) -> Any:
    """The parameters of a session with one line item, and `params`."""
    price = {"currency": "eur", "unit_amount": amount, "product_data": {"name": f"{amount} coins"}}
    return {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": "http://127.0.0.1:9996/balance?status=success&session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://127.0.0.1:9996/balance?status=cancel",
        **params,
    }


@dataclass(frozen=True)
class Received:
    """One POST, whose signature is not checked."""

    body: bytes
    headers: Mapping[str, str]
    event: dict[str, Any]
    at: float


@dataclass
class WebhookEndpoint:
    """Records every webhook, and answers `status`, which may be a function of the event."""

    status: int | Callable[[dict[str, Any]], int] = 200
    delay_seconds: float = 0.0
    received: list[Received] = field(default_factory=list)
    port: int = field(default_factory=processes.free_port)
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers of every answer."""

    def start(self) -> "WebhookEndpoint":
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(
                    endpoint.take(self.rfile.read(int(self.headers["Content-Length"])), self.headers)
                )
                for name, value in endpoint.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "WebhookEndpoint":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/stripe"

    def take(self, body: bytes, headers: Any) -> int:
        event = json.loads(body)
        self.received.append(Received(body, dict(headers.items()), event, time.time()))
        time.sleep(self.delay_seconds)
        return self.status(event) if callable(self.status) else self.status

    def of_type(self, pattern: str) -> list[Received]:
        """The webhooks whose whole type matches a regular expression."""
        return [one for one in list(self.received) if re.fullmatch(pattern, one.event["type"])]

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 30.0) -> list[Received]:
        """The webhooks of a type, once there are this many."""
        eventually(
            lambda: len(self.of_type(pattern)) >= count,
            seconds,
            lambda: [r.event["type"] for r in self.received],
        )
        return self.of_type(pattern)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
