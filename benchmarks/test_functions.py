"""What a function costs: its init phase and first event in a fresh process, then each event; wall and CPU of
the function's own process, and its round trips to the databases.

make benchmark
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import pytest

from checkout.base.postgres import Database
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.outbox.record import Record
from checkout.release.migrate import Migrate
from local.kafka.embedded import Broker
from local.stack.postgres import Postgres
from tests.support import lambda_events, stripe_events
from tests.support.functions import bearer, disconnect, environment, finished, query
from tests.support.round_trips import RoundTrips

PROCESSES = 5
EVENTS = 100
BATCH = 1_000
ROOT = Path(__file__).parents[1]
BEGUN = (
    "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
    " stripe_session_id) VALUES (%s, 1, 500, 'eur', 'balance_topup', 'session_created', %s)"
)

Event = dict[str, Any]


@dataclass(frozen=True)
class Taken:
    """Seconds."""

    wall: float
    cpu: float
    round_trips: int


@dataclass(frozen=True)
class Stack:
    checkout: str
    application: str
    proxy: RoundTrips
    settings: Mapping[str, str]

    @contextmanager
    def fresh(self, function: str) -> Iterator["Function"]:
        """A new process, in which the function has gone through its init phase."""
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "benchmarks.fresh_function", function, str(writing)]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "layers" / "common"),
                "PYTHONDONTWRITEBYTECODE": "",  # A build has the bytecode, so the first process makes it.
                **self.settings,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[writing],
            text=True,
        ) as process:
            os.close(writing)
            with os.fdopen(reading) as answers:
                yield Function(process, answers, self.proxy)
                assert process.stdin is not None
                process.stdin.close()


class Function:
    def __init__(self, process: subprocess.Popen[str], answers: Any, proxy: RoundTrips) -> None:
        self._process = process
        self._answers = answers
        self._proxy = proxy
        self.init = self._taken()

    def __call__(self, event: Event) -> Taken:
        assert self._process.stdin is not None
        with self._proxy.counting():
            self._process.stdin.write(json.dumps(event) + "\n")
            self._process.stdin.flush()
            return self._taken()

    def _taken(self) -> Taken:
        return Taken(**json.loads(self._answers.readline()), round_trips=self._proxy.count)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data")
    server.start()
    server.create_database("application")
    checkout, application = server.url(), server.url("application")
    Migrate(Database(lambda: checkout), Database(lambda: application), "benchmark")()
    query(application, "INSERT INTO users (id) SELECT generate_series(1, %s)", (BATCH,))
    broker = Broker({"checkout.requests": 3, "checkout.finished": 3})
    broker.start()
    proxy = RoundTrips(checkout)
    settings = environment(proxy.url(checkout), proxy.url(application), broker.address)
    yield Stack(checkout, application, proxy, settings)
    disconnect()
    proxy.close()
    broker.stop()
    server.stop()


def webhooks(stack: Stack, count: int) -> list[Event]:
    """Each of a payment of its own."""
    made = []
    for _ in range(count):
        session = stripe_events.session_object(str(uuid4()))
        query(stack.checkout, BEGUN, (session["metadata"]["request_id"], session["id"]))
        made.append(webhook(stripe_events.event(session, is_known=False)))
    return made


def webhook(stripe_event: Event) -> Event:
    body = stripe_events.encoded(stripe_event)
    headers = {"stripe-signature": stripe_events.signature(body)}
    return lambda_events.http("POST /webhooks/stripe", body, headers=headers)


def batches(count: int, size: int) -> list[Event]:
    values = [
        CheckoutFinishedEvent(**finished(user_id=1 + number % BATCH)).encoded()
        for number in range(count * size)
    ]
    records = [Record("checkout.finished", 0, offset, b"1", value) for offset, value in enumerate(values)]
    return [lambda_events.msk(records[start : start + size]) for start in range(0, len(records), size)]


def reads(route: str) -> list[Event]:
    return [lambda_events.http(f"GET {route}", headers=bearer())] * EVENTS


def shown(name: str, taken: Sequence[Taken], units: int = 1) -> None:
    cpu = sum(one.cpu for one in taken) / len(taken) / units
    trips = max(one.round_trips for one in taken)
    print(f"  {name:38} {1e3 * cpu:9.3f} ms of CPU {trips:4} round trips")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("function", ["stripe_webhook", "checkout_finished_consumer", "account"])
def test_cold_start(stack: Stack, function: str) -> None:
    inits, firsts = [], []
    for _ in range(PROCESSES):
        [event] = {
            "stripe_webhook": lambda: webhooks(stack, 1),
            "checkout_finished_consumer": lambda: batches(1, 1),
            "account": lambda: reads("/checkout/balance")[:1],
        }[function]()
        with stack.fresh(function) as handle:
            inits.append(handle.init)
            firsts.append(handle(event))
    print(f"\n{function} in a fresh process, the median of {PROCESSES}")
    for name, taken in (("init phase", inits), ("first event", firsts)):
        wall, cpu = median(one.wall for one in taken), median(one.cpu for one in taken)
        print(f"  {name:14} {1e3 * wall:6.0f} ms, {1e3 * cpu:6.0f} ms of CPU")


@pytest.mark.timeout(300)
def test_each_event(stack: Stack) -> None:
    print("\neach event, in a warm process")
    first, *paid = webhooks(stack, EVENTS + 1)
    with stack.fresh("stripe_webhook") as handle:
        handle(first)
        shown("a paid webhook", [handle(event) for event in paid])
        shown("a webhook that is known", [handle(event) for event in paid])
        other = [webhook(stripe_events.event({"id": "cus_1", "object": "customer"}, "customer.created"))]
        shown("a webhook of a type nobody handles", [handle(event) for event in other])
    with stack.fresh("checkout_finished_consumer") as handle:
        for event in batches(2, BATCH):
            handle(event)
        shown("a credit, one event a batch", [handle(event) for event in batches(EVENTS, 1)])
        shown("a credit, 1,000 events a batch", [handle(event) for event in batches(20, BATCH)], BATCH)
    with stack.fresh("account") as handle:
        for route in ("/checkout/balance", "/checkout/transactions"):
            handle(reads(route)[0])
            shown(f"GET {route}", [handle(event) for event in reads(route)])
