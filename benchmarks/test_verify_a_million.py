"""A million ledger entries: `verify` reads them all within 30 s, and finds one wrong cent among them.
Stripe's books of as many payments are compared too.

.venv/bin/python -m pytest benchmarks -s
"""

import time
from collections.abc import Iterator

import pytest

from checkout.base.config import Config
from checkout.base.postgres import Database
from checkout.operations.findings import Finding
from checkout.operations.verbs.verify import Verify
from checkout.release.migrate import Migrate
from checkout.system import System
from local.stack.postgres import Postgres
from tests.support.functions import query

ENTRIES = 1_000_000
USERS = 50_000
MOST_SECONDS = 30

USERS_SQL = "INSERT INTO users (id, balance) SELECT n, %s FROM generate_series(1, %s) AS n"
ENTRIES_SQL = """
INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id, payment_intent_id)
SELECT 'success:' || gen.id, 1 + mod(n, %s), 500, 'eur', 'success', gen.id, 'pi_' || n
FROM generate_series(1, %s) AS n, LATERAL (SELECT md5(n::text)::uuid::text AS id) AS gen
"""
PAYMENTS_SQL = """
INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,
                                   payment_intent_id, paid_cents, paid_currency, completed_at)
SELECT md5(n::text)::uuid::text, 1 + mod(n, %s), 500, 'eur', 'balance_topup', 'payment_succeeded', 'pi_' || n,
       500, 'eur', now() - interval '1 day'
FROM generate_series(1, %s) AS n
"""
BOOKS_SQL = """
INSERT INTO stripe_balance_transactions
    (id, movement, payment_intent_id, amount_cents, currency, is_ours, created_at, compared_from)
SELECT 'txn_' || n, 'paid:pi_' || n, 'pi_' || n, 500, 'eur', true, now() - interval '1 day', now()
FROM generate_series(1, %s) AS n
"""
BOOKS_READ_SQL = """
INSERT INTO reconciler_state (name, value)
VALUES ('stripe_balance_transactions',
        jsonb_build_object('since', 0, 'began', extract(epoch FROM now())::bigint, 'after', NULL))
"""


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data", fsync=False)
    server.start()
    for name in ("checkout", "application"):
        server.create_database(name)
    checkout, application = server.url("checkout"), server.url("application")
    Migrate(Database(lambda: checkout), Database(lambda: application), "benchmark")()
    query(application, USERS_SQL, (500 * ENTRIES // USERS, USERS))
    query(application, ENTRIES_SQL, (USERS, ENTRIES))
    query(checkout, PAYMENTS_SQL, (USERS, ENTRIES))
    query(checkout, BOOKS_SQL, (ENTRIES,))
    query(checkout, BOOKS_READ_SQL)
    yield checkout, application
    server.stop()


def verified(urls: tuple[str, str]) -> dict[str, Finding]:
    checkout, application = urls
    began = time.monotonic()
    settings = {
        "CHECKOUT_DATABASE_URL": checkout,
        "DATABASE_URL": application,
        "STRIPE_SECRET": "sk_live_tests",
    }
    verify = Verify(System(Config(settings)))
    findings = verify()
    took = time.monotonic() - began
    print(f"\n{ENTRIES:,} entries verified in {took:.1f} s")
    assert took <= MOST_SECONDS
    return {finding.name: finding for finding in findings if finding.count}


@pytest.mark.timeout(600)
def test_silent_where_nothing_is_wrong(urls: tuple[str, str]) -> None:
    assert verified(urls) == {}


@pytest.mark.timeout(600)
def test_one_wrong_cent_and_one_missing_credit_are_found(urls: tuple[str, str]) -> None:
    _, application = urls
    query(application, "UPDATE users SET balance = balance + 1 WHERE id = 4711")
    query(
        application,
        "SET LOCAL session_replication_role = replica;"
        " DELETE FROM ledger_entries WHERE id = (SELECT max(id) FROM ledger_entries)",
    )
    found = verified(urls)
    assert found["PaymentNotInLedger"].count == 1
    assert found["BalanceDiffersFromLedger"].count == 2


@pytest.mark.timeout(600)
def test_no_payment_is_known_so_that_every_entry_is_read(urls: tuple[str, str]) -> None:
    checkout, _ = urls
    query(checkout, "TRUNCATE checkout_transactions, stripe_balance_transactions")
    assert verified(urls)["CreditWithoutTransaction"].count == ENTRIES - 1
