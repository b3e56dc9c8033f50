"""How much of its speed everything keeps with ten million ledger entries and a million payments: the same
work on large tables and on small ones, on one server, in turns, in one run.

Kafka and Stripe are objects here that answer at once, so what is measured is Python and PostgreSQL.

make benchmark-large
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import count
from statistics import median
from typing import Any

import psycopg2
import pytest

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.request_ids import new_request_id
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.outbox.producer import Published
from checkout.outbox.record import Record
from checkout.outbox.table import Message
from checkout.payments.stripe_api import StripeApi
from checkout.system import System
from local.stack.postgres import Postgres
from tests.support import stripe_events
from tests.support.functions import disconnect, environment, finished, query

ENTRIES = int(os.environ.get("ENTRIES", "10000000"))
PAYMENTS = ENTRIES // 10
USERS = 50_000
ROUNDS = 7
CREDITS, BATCH, WEBHOOKS, RELAYED, UNCREDITED, READS = 20_000, 1_000, 300, 1_000, 500, 300
CHUNK = 500_000
OF_USER = "ledger_entries_of_user"
READER = USERS + 1
"""A user with a page of payments, on either side."""

Step = Callable[[], int]
"""Returns how many it has done."""

SHARED_MB = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4 // 2**20
"""A quarter of the memory, as on RDS."""

SERVER = {
    "shared_buffers": f"{SHARED_MB}MB",
    "max_wal_size": "16GB",
    "checkpoint_timeout": "30min",
    "full_page_writes": "off",
}
"""As a server for tables of this size has them. Checkpoints fall outside of what is measured, and so does
what follows one, except on Aurora: the first change of a page writes all of it to the WAL. Every key is on
a page of its own, so that is seven times as much for a batch of credits until most pages were changed.
"""

USERS_SQL = "INSERT INTO users (id) SELECT generate_series(1, %(users)s + 1)"
BALANCES_SQL = """
UPDATE users SET balance = entered.cents
FROM (SELECT user_id, sum(amount_cents) AS cents FROM ledger_entries GROUP BY user_id) AS entered
WHERE users.id = entered.user_id
"""
CREDITS_SQL = """
INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id, payment_intent_id)
SELECT 'success:' || id, 1 + mod(n, %(users)s), 500, 'eur', 'success', id, 'pi_' || md5(n::text)
FROM generate_series(%(first)s, %(last)s) AS n, LATERAL (SELECT md5(n::text)::uuid::text AS id) AS made
ORDER BY id
"""
ORDERS_SQL = """
INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind)
SELECT 'order:' || id, 1 + mod(n, %(users)s), -1, 'eur', 'order'
FROM generate_series(%(first)s, %(last)s) AS n, LATERAL (SELECT md5(n::text) AS id) AS made ORDER BY id
"""
PAYMENTS_SQL = """
INSERT INTO checkout_transactions
    (request_id, user_id, amount_cents, currency, purpose, status, stripe_session_id, payment_intent_id,
     paid_cents, paid_currency, paid_event_id, created_at, completed_at, credited_at)
SELECT md5(n::text)::uuid::text, 1 + mod(n, %(users)s), 500, 'eur', 'balance_topup', 'payment_succeeded',
       'cs_' || md5(n::text), 'pi_' || md5(n::text), 500, 'eur', 'evt_' || md5(n::text), at, at, at
FROM generate_series(%(first)s, %(last)s) AS n,
     LATERAL (SELECT now() - n * interval '30 seconds' AS at) AS made
ORDER BY 1
"""
EVENTS_SQL = """
INSERT INTO stripe_events (event_id, type, payload, outcome, request_id, payment_intent_id, received_at)
SELECT 'evt_' || md5(n::text), 'checkout.session.completed', '{"object": "event"}', 'applied',
       md5(n::text)::uuid::text, 'pi_' || md5(n::text), now() - n * interval '30 seconds'
FROM generate_series(%(first)s, %(last)s) AS n ORDER BY 1
"""
BEGUN_SQL = """
INSERT INTO checkout_transactions
    (request_id, user_id, amount_cents, currency, purpose, status, stripe_session_id)
SELECT request_id, 1, 500, 'eur', 'balance_topup', 'session_created', 'cs_' || request_id
FROM unnest(%s) AS request_id
"""
PAID_SQL = """
INSERT INTO checkout_transactions
    (request_id, user_id, amount_cents, currency, purpose, status, payment_intent_id, paid_cents,
     paid_currency, paid_read_at, completed_at)
SELECT request_id, %s, 500, 'eur', 'balance_topup', 'payment_succeeded', 'pi_' || request_id, 500, 'eur',
       now(), now() - interval '1 hour'
FROM unnest(%s) AS request_id
"""
SETTLED_SQL = """
UPDATE checkout_transactions SET credited_at = now()
WHERE status = 'payment_succeeded' AND credited_at IS NULL
"""
WAITING_SQL = """
INSERT INTO outbox (effect_key, topic, key, value, created_at)
SELECT 'success:' || id, 'checkout.finished', '1', '{}', now() - interval '1 hour' FROM unnest(%s) AS id
"""
EMPTY_SQL = "SET LOCAL session_replication_role = replica; TRUNCATE "


class Kafka:
    """Acknowledges everything."""

    def publish(self, messages: Sequence[Message], _timeout_seconds: float) -> Published:
        return Published([message.effect_key for message in messages])

    def close(self) -> None: ...


class Stripe(StripeApi):
    """Has nothing new."""

    def events(self, **_: Any) -> tuple[list[dict[str, Any]], bool]:
        return [], False

    def balance_transactions(self, **_: Any) -> tuple[list[dict[str, Any]], bool]:
        return [], False


@dataclass(frozen=True, eq=False)
class Side:
    checkout: str
    application: str
    system: System
    is_large: bool
    offsets: Iterator[int]

    def begin(self) -> None:
        """Nothing is left of the round before; small tables are emptied, but for the users."""
        if self.is_large:
            query(self.checkout, SETTLED_SQL)
        else:
            query(self.application, EMPTY_SQL + "ledger_entries")
            query(self.checkout, EMPTY_SQL + "checkout_transactions, stripe_events, outbox")


def made(server: Postgres, name: str, *, is_large: bool) -> Side:
    checkout, application = server.url(f"checkout_{name}"), server.url(f"application_{name}")
    for url in (checkout, application):
        server.create_database(url.rpartition("/")[2])
    settings = environment(checkout, application, "127.0.0.1:1")
    system = System(Config(settings), kafka_publisher=Kafka(), stripe_api=Stripe(lambda: ""))
    system.migrate()
    side = Side(checkout, application, system, is_large, count())
    query(side.application, USERS_SQL, {"users": USERS})
    return side


def fill(url: str, sql: str, first: int, last: int) -> None:
    """In portions, with the triggers silent: they refuse nothing that is in here."""
    table = sql.split()[2]
    for start in range(first, last + 1, CHUNK):
        end = min(last, start + CHUNK - 1)
        began = time.monotonic()
        given = {"users": USERS, "first": start, "last": end}
        query(
            url,
            "SET LOCAL session_replication_role = replica; SET LOCAL synchronous_commit = off;" + sql,
            given,
        )
        print(f"  {table}: {end:,} of {last:,}, {time.monotonic() - began:.0f} s", flush=True)


def tidy(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Side, Side]]:
    telemetry.logger.setLevel("ERROR")
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data")
    server.start()
    with closing(psycopg2.connect(server.url("postgres"))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for name, value in SERVER.items():
            cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
    server.stop()
    server.start()
    [pages] = query(server.url("postgres"), "SHOW huge_pages_status")
    print(f"\nhuge pages are {pages['huge_pages_status']}")
    if pages["huge_pages_status"] != "on":
        print(f"RDS has them: sysctl vm.nr_hugepages={SHARED_MB * 11 // 20}")
    small, large = made(server, "small", is_large=False), made(server, "large", is_large=True)
    print(f"\nfilling the tables with {ENTRIES:,} entries and {PAYMENTS:,} payments")
    # Built at the end: entries come in the order of their keys, so each touches another page of it.
    [index] = query(large.application, "SELECT pg_get_indexdef(%s::regclass) AS sql", (OF_USER,))
    query(large.application, f"DROP INDEX {OF_USER}")
    fill(large.application, CREDITS_SQL, 1, PAYMENTS)
    fill(large.application, ORDERS_SQL, PAYMENTS + 1, ENTRIES)
    query(large.application, index["sql"])
    query(large.application, BALANCES_SQL)
    # So that the pages of users are as full on both sides.
    query(small.application, "UPDATE users SET balance = 0")
    fill(large.checkout, PAYMENTS_SQL, 1, PAYMENTS)
    fill(large.checkout, EVENTS_SQL, 1, PAYMENTS)
    for side in (small, large):
        tidy(side.checkout)
        tidy(side.application)
    yield small, large
    disconnect()
    for side in (small, large):
        side.system.close()
    server.stop()


def request_ids(number: int) -> list[str]:
    """As the functions make them. Stripe's ids of payment intents also begin with the time."""
    return [new_request_id() for _ in range(number)]


def crediting(side: Side) -> list[Step]:
    events = [
        CheckoutFinishedEvent(**finished(one, user_id=1 + n * 7919 % USERS), payment_intent_id=f"pi_{one}")
        for n, one in enumerate(request_ids(CREDITS))
    ]
    records = [Record("checkout.finished", 0, next(side.offsets), b"1", event.encoded()) for event in events]
    batches = [records[start : start + BATCH] for start in range(0, CREDITS, BATCH)]
    return [partial(credited, side, batch) for batch in batches]


def credited(side: Side, batch: Sequence[Record]) -> int:
    return side.system.credit_balances(batch).credited


def webhooks(side: Side) -> list[Step]:
    begun = request_ids(WEBHOOKS)
    query(side.checkout, BEGUN_SQL, (begun,))
    sessions = [stripe_events.session_object(one, session_id=f"cs_{one}") for one in begun]
    bodies = [stripe_events.encoded(stripe_events.event(session, is_known=False)) for session in sessions]
    return [partial(applied, side, body, stripe_events.signature(body)) for body in bodies]


def applied(side: Side, body: bytes, signature: str) -> int:
    return side.system.receive_webhook(body, signature) == "applied"


def relay(side: Side) -> list[Step]:
    query(side.checkout, WAITING_SQL, (request_ids(RELAYED),))
    return [lambda: side.system.delivery.relay(time.monotonic() + 60)[0]]


def reconciler(side: Side) -> list[Step]:
    """Half of what is looked for is in the ledger, half is emitted again."""
    paid = request_ids(UNCREDITED)
    query(side.checkout, PAID_SQL, (1, paid))
    entered = [CheckoutFinishedEvent(**finished(one), payment_intent_id=f"pi_{one}") for one in paid[::2]]
    records = [Record("checkout.finished", 0, next(side.offsets), b"1", event.encoded()) for event in entered]
    side.system.credit_balances(records)

    def run() -> int:
        done = side.system.reconcile()
        assert done.is_whole, done
        return done.credited + done.emitted

    return [run]


def reading(side: Side) -> list[Step]:
    if not query(side.checkout, "SELECT FROM checkout_transactions WHERE user_id = %s LIMIT 1", (READER,)):
        query(side.checkout, PAID_SQL, (READER, request_ids(100)))
        query(side.checkout, SETTLED_SQL)
    return [lambda: len(side.system.accounts.transactions(READER, {})["transactions"]) > 1] * READS


@pytest.mark.timeout(3_600)
def test_speed_with_large_tables(sides: tuple[Side, Side]) -> None:
    """The sides take turns at each step, so what else the machine does slows down both."""
    works = {
        "crediting, 1,000 a batch": (crediting, BATCH, 0.9),
        "webhooks, paid": (webhooks, 1, 0.9),
        "the relay": (relay, RELAYED, 0.8),
        "the reconciler": (reconciler, UNCREDITED, 0.8),
        "GET /checkout/transactions": (reading, 1, 0.8),
    }
    ratios = {}
    print(f"\na second, with {ENTRIES:,} entries and {PAYMENTS:,} payments; by the median of all steps")
    for name, (prepare, units, _) in works.items():
        took: dict[Side, list[float]] = {side: [] for side in sides}
        for _ in range(ROUNDS):
            for side in sides:
                side.begin()
            for steps in zip(*(prepare(side) for side in sides), strict=True):
                for side, step in zip(sides, steps, strict=True):
                    began = time.perf_counter()
                    done = step()
                    took[side].append(time.perf_counter() - began)
                    assert done == units, (name, done)
        small, large = (units / median(took[side]) for side in sides)
        ratios[name] = large / small
        print(f"  {name:28} {small:9,.0f} small {large:9,.0f} large  {ratios[name]:5.0%}", flush=True)
    assert all(ratios[name] >= least for name, (_, _, least) in works.items()), ratios
