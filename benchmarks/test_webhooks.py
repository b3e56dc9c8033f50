"""How many paid webhooks a second are answered 200: the whole stack, beside the least that anything could do
and beside the insert alone, on the same PostgreSQL and broker, in one run.

make benchmark
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest

from local.processes import free_port
from local.signing import header
from tests.support.functions import query
from tests.support.running_stack import RunningStack
from tests.support.stripe_events import event, session_object
from tests.support.waiting import eventually

CLIENTS = (1, 8, 32)
WEBHOOKS = 1_200
ROUNDS = 2
BYTES = 4_096
EACH_SECONDS = 30
STACK, FLOOR, INSERT = "the stack", "signature, insert, produce", "the insert alone"
ROOT = Path(__file__).parents[1]
BEGUN = (
    "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
    " stripe_session_id) VALUES (%s, 1, 500, 'eur', 'balance_topup', 'session_created', %s)"
)

Send = Callable[[list[bytes]], None]
"""All of them, one after the other, as one client does."""


def webhooks(app_id: str, database: str) -> list[bytes]:
    """Each of a payment of its own, as long as Stripe's are; their sessions were begun in the stack."""
    made = []
    for _ in range(WEBHOOKS):
        session = session_object(str(uuid4()))
        session["metadata"]["checkout_app"] = app_id
        query(database, BEGUN, (session["metadata"]["request_id"], session["id"]))
        told = event(session, is_known=False)
        session["padding"] = "x" * (BYTES - len(json.dumps(told)) - len(', "padding": ""'))
        made.append(json.dumps(told).encode())
    return made


def posting(url: str, secret: str) -> Send:
    where = urlsplit(url)

    def send(bodies: list[bytes]) -> None:
        with closing(HTTPConnection(where.hostname or "", where.port, timeout=EACH_SECONDS)) as connection:
            for body in bodies:
                signed = {"Stripe-Signature": header(body, secret), "Content-Type": "application/json"}
                connection.request("POST", where.path, body, signed)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200

    return send


def inserting(url: str) -> Send:
    def send(bodies: list[bytes]) -> None:
        with closing(psycopg2.connect(url)) as connection:
            for body in bodies:
                with connection, connection.cursor() as cursor:
                    cursor.execute("INSERT INTO floor_events VALUES (%s, %s)", (str(uuid4()), body.decode()))

    return send


@contextmanager
def floor(stack: RunningStack) -> Iterator[str]:
    """Its URL; it has two processes, as each function has."""
    told = stack.description
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "layers" / "common"),
        "FLOOR_SECRET": told["stripe_webhook_secret"],
        "FLOOR_DATABASE": told["checkout_database_url"],
        "FLOOR_BROKERS": told["kafka_brokers"],
    }
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.floor", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}/webhooks/stripe"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rate(send: Send, clients: int, app_id: str, database: str) -> float:
    """Webhooks a second."""
    bodies = webhooks(app_id, database)
    shares = [bodies[number::clients] for number in range(clients)]
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(send, shares))
    return WEBHOOKS / (time.perf_counter() - began)


def answers(send: Send, app_id: str, database: str) -> bool:
    try:
        send(webhooks(app_id, database)[:20])
    except OSError:
        return False
    return True


@pytest.mark.timeout(900)
def test_webhooks(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "project", FUNCTION_ENVIRONMENTS="2") as stack:
        told = stack.description
        app_id, secret = told["checkout_app_id"], told["stripe_webhook_secret"]
        database = told["checkout_database_url"]
        query(database, "CREATE TABLE floor_events (id TEXT PRIMARY KEY, payload JSON)")
        with floor(stack) as floor_url:
            ways = {
                STACK: posting(f"{told['api_url']}/webhooks/stripe", secret),
                FLOOR: posting(floor_url, secret),
                INSERT: inserting(database),
            }
            for send in ways.values():
                eventually(partial(answers, send, app_id, database), 30, lambda: stack.log[-2000:])
            best = {(name, clients): 0.0 for name in ways for clients in CLIENTS}
            for _ in range(ROUNDS):
                for name, clients in best:
                    found = rate(ways[name], clients, app_id, database)
                    best[name, clients] = max(best[name, clients], found)
                    if name == STACK:
                        stack.until_settled()
        stack.check_books()

    print(
        f"\nwebhooks of {BYTES:,} bytes a second, by clients; the best of {ROUNDS} rounds, two processes each"
    )
    for name in ways:
        shown = (f"{best[name, n]:7,.0f} ({best[name, n] / best[FLOOR, n]:4.0%})" for n in CLIENTS)
        print(f"  {name:28}" + "".join(shown))
    assert all(best[STACK, clients] > 0.1 * best[FLOOR, clients] for clients in CLIENTS)
