"""What the operators' console costs PostgreSQL with a million payments in the last day: one refresh a second
(`overview --brief`), and the figures of the last hours (`overview`) once a minute, as page/live.js asks.

.venv/bin/python -m pytest benchmarks/test_console_refresh.py -s
"""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg2
import pytest

from checkout import console as page
from checkout.base.config import Config
from checkout.base.postgres import Database
from checkout.operations.verbs.overview import Overview
from checkout.release.migrate import Migrate
from checkout.system import System
from local.stack.postgres import Postgres
from tests.support.functions import query

PAYMENTS = 1_000_000
USERS = 50_000
UNCREDITED = 500
DEBITS = 500
"""On their way for days, each with an event that waits for it."""

BRIEFS, FULLS = 400, 12
FULL_SECONDS = 60
"""How often the page asks for the figures of the last hours: FULL_MS of live.js."""

MOST_OF_A_CORE = 0.01
LIVE = Path(str(page.__file__)).parent / "page" / "live.js"

USERS_SQL = "INSERT INTO users (id, balance) SELECT n, 10000 FROM generate_series(1, %(users)s) AS n"
PAYMENTS_SQL = """
INSERT INTO checkout_transactions
    (request_id, user_id, amount_cents, currency, purpose, status, stripe_session_id, payment_intent_id,
     paid_cents, paid_currency, paid_event_id, created_at, completed_at, credited_at)
SELECT md5(n::text)::uuid::text, 1 + mod(n, %(users)s), 500, 'eur', 'balance_topup', 'payment_succeeded',
       'cs_' || n, 'pi_' || n, 500, 'eur', 'evt_' || n, at, at,
       CASE WHEN n %% (%(payments)s / %(uncredited)s) > 0 THEN at END
FROM generate_series(1, %(payments)s) AS n,
     LATERAL (SELECT now() - (%(payments)s - n) * interval '80 milliseconds' AS at) AS made
"""
EVENTS_SQL = """
INSERT INTO stripe_events (event_id, type, payload, outcome, request_id, payment_intent_id, received_at)
SELECT 'evt_' || n, 'checkout.session.completed', '{"object": "event"}', 'applied',
       md5(n::text)::uuid::text, 'pi_' || n, now() - (%(payments)s - n) * interval '80 milliseconds'
FROM generate_series(1, %(payments)s) AS n
"""
DEBITS_SQL = """
INSERT INTO checkout_transactions
    (request_id, user_id, amount_cents, currency, purpose, status, stripe_session_id, payment_intent_id,
     created_at)
SELECT 'debit_' || n, 1, 500, 'eur', 'balance_topup', 'payment_processing', 'cs_debit_' || n,
       'pi_debit_' || n, now() - interval '2 days'
FROM generate_series(1, %(debits)s) AS n
"""
WAITING_SQL = """
INSERT INTO stripe_events (event_id, type, payload, outcome, payment_intent_id, received_at)
SELECT 'evt_debit_' || n, 'charge.updated', '{"object": "event"}', 'waiting', 'pi_debit_' || n,
       now() - interval '2 days'
FROM generate_series(1, %(debits)s) AS n
"""
ENTRIES_SQL = """
INSERT INTO ledger_entries
    (effect_key, user_id, amount_cents, currency, kind, request_id, payment_intent_id, created_at)
SELECT 'success:' || id, 1 + mod(n, %(users)s), 500, 'eur', 'success', id, 'pi_' || n,
       now() - (%(payments)s - n) * interval '80 milliseconds' + interval '400 milliseconds'
FROM generate_series(1, %(payments)s) AS n, LATERAL (SELECT md5(n::text)::uuid::text AS id) AS made
"""
SILENT_SQL = "SET LOCAL session_replication_role = replica;"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    made = Postgres(tmp_path_factory.mktemp("postgres") / "data", fsync=False)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def overview(server: Postgres) -> Iterator[Overview]:
    server.create_database("application")
    checkout, application = server.url("checkout"), server.url("application")
    Migrate(Database(lambda: checkout), Database(lambda: application), "benchmark")()
    sizes = {"users": USERS, "payments": PAYMENTS, "uncredited": UNCREDITED, "debits": DEBITS}
    query(application, USERS_SQL, sizes)
    query(application, SILENT_SQL + ENTRIES_SQL, sizes)
    for sql in (DEBITS_SQL, WAITING_SQL, PAYMENTS_SQL, EVENTS_SQL):
        query(checkout, SILENT_SQL + sql, sizes)
    for url in (checkout, application):
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("VACUUM (ANALYZE)")
            cursor.execute("CHECKPOINT")
    settings = {"CHECKOUT_DATABASE_URL": checkout, "DATABASE_URL": application}
    system = System(Config(settings))
    yield Overview(system)
    system.close()


def processor_seconds(server: Postgres) -> float:
    """Of all processes of PostgreSQL since their start, in user and kernel mode."""
    assert server.process is not None
    whole = psutil.Process(server.process.pid)
    times = [one.cpu_times() for one in (whole, *whole.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def cost(server: Postgres, ask: Callable[[], object], times: int) -> float:
    """Processor seconds of PostgreSQL for each time. What is asked first pays for the caches."""
    ask()
    before = processor_seconds(server)
    for _ in range(times):
        ask()
    return (processor_seconds(server) - before) / times


def test_the_page_asks_as_often_as_is_measured() -> None:
    assert f"const FULL_MS = {FULL_SECONDS}_000;" in LIVE.read_text()
    assert "const BRIEF_MS = 1000;" in LIVE.read_text()


@pytest.mark.timeout(900)
def test_one_refresh_a_second_costs_at_most_one_percent_of_a_core(
    server: Postgres, overview: Overview
) -> None:
    began = time.monotonic()
    brief = cost(server, overview.now, BRIEFS)
    full = cost(server, overview.last_hours, FULLS)
    share = brief + (full + brief) / FULL_SECONDS
    print(
        f"\n{PAYMENTS:,} payments: PostgreSQL takes {1000 * brief:.2f} ms for overview --brief"
        f" and {1000 * full:.0f} ms for the last hours: {share:.2%} of a core"
        f" (measured for {time.monotonic() - began:.0f} s)"
    )
    found = overview.now()
    depths = {one["queue"]: one["depth"] for one in found["queues"]}
    assert (depths["uncredited"], depths["waiting"]) == (0, DEBITS)
    assert found["attention"] == []
    assert overview.last_hours()["complete"] is False
    assert share <= MOST_OF_A_CORE
