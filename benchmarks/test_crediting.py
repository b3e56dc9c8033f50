"""How fast balances are credited: our way, simpler ways and the limit, in turns, in one run.

The limit is what PostgreSQL itself needs for the same entries and balances: one statement a batch that
inserts from a table filled beforehand, so nothing is decoded, checked, locked first, sent or returned. The
constraints, indexes and foreign key are the same. Each way has a batch a transaction, durable, and the best
of its rounds counts: the wall time from the first record to the last commit.

make benchmark
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import psycopg2
import pytest

from checkout.base.postgres import Database
from checkout.base.request_ids import new_request_id
from checkout.ledger.crediting import CreditBalances
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.outbox.record import Record
from checkout.release.migrate import Migrate
from local.stack.postgres import Postgres
from tests.support.functions import disconnect, finished, query

EVENTS = 20_000
USERS = 5_000
ROUNDS = 3
LIMIT = "the statement alone, 1,000 a transaction"
OURS = "ours, 1,000 a transaction"
ONE_BY_ONE = "ours, one event a transaction"

Way = Callable[[str, Sequence[Record]], Callable[[], None]]
"""Prepares, and returns what is timed."""


def ours(batch: int) -> Way:
    def prepare(url: str, records: Sequence[Record]) -> Callable[[], None]:
        def run() -> None:
            with closing(Database(lambda: url)) as database:
                credit = CreditBalances(database, "eur")
                for start in range(0, len(records), batch):
                    credit(records[start : start + batch])

        return run

    return prepare


def row_by_row(batch: int) -> Way:
    """What one writes first: two statements an event."""

    def prepare(url: str, records: Sequence[Record]) -> Callable[[], None]:
        def run() -> None:
            with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
                for number, record in enumerate(records, 1):
                    event = json.loads(record.value)
                    cursor.execute(
                        "INSERT INTO ledger_entries"
                        " (effect_key, user_id, amount_cents, currency, kind, request_id)"
                        " VALUES (%s, %s, 500, 'eur', 'success', %s) ON CONFLICT DO NOTHING",
                        (f"success:{event['request_id']}", event["user_id"], event["request_id"]),
                    )
                    if cursor.rowcount:
                        cursor.execute(
                            "UPDATE users SET balance = balance + 500 WHERE id = %s", (event["user_id"],)
                        )
                    if number % batch == 0 or number == len(records):
                        connection.commit()

        return run

    return prepare


STAGED = """
DROP TABLE IF EXISTS staged;
CREATE TABLE staged AS
SELECT ordinality AS id, 'success:' || (value ->> 'request_id') AS effect_key,
       (value ->> 'user_id')::bigint AS user_id, value ->> 'request_id' AS request_id
FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY;
CREATE INDEX ON staged (id);
ANALYZE staged
"""
STATEMENT = """
WITH entered AS (
    INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind, request_id)
    SELECT effect_key, user_id, 500, 'eur', 'success', request_id FROM staged
    WHERE id > %s AND id <= %s ORDER BY effect_key
    ON CONFLICT (effect_key) DO NOTHING RETURNING user_id, amount_cents)
UPDATE users SET balance = balance + total.amount_cents
FROM (SELECT user_id, sum(amount_cents) AS amount_cents FROM entered GROUP BY user_id) AS total
WHERE users.id = total.user_id
"""


def statement_alone(batch: int) -> Way:
    """The limit."""

    def prepare(url: str, records: Sequence[Record]) -> Callable[[], None]:
        query(url, STAGED, (json.dumps([json.loads(record.value) for record in records]),))

        def run() -> None:
            with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
                for start in range(0, len(records), batch):
                    cursor.execute(STATEMENT, (start, start + batch))
                    connection.commit()

        return run

    return prepare


WAYS = {
    ONE_BY_ONE: ours(1),
    "row by row, 1,000 a transaction": row_by_row(1_000),
    "ours, 100 a transaction": ours(100),
    OURS: ours(1_000),
    LIMIT: statement_alone(1_000),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data")
    server.start()
    Migrate(Database(server.url), Database(server.url), "benchmark")()
    yield server.url()
    disconnect()
    server.stop()


def rate(url: str, way: Way, *, repeated: bool) -> float:
    """Events a second. `repeated`: every second record brings an effect that the ledger has."""
    count = EVENTS // 10 if way is WAYS[ONE_BY_ONE] else EVENTS
    events = (
        CheckoutFinishedEvent(**finished(new_request_id(), user_id=1 + number % USERS))
        for number in range(count)
    )
    values = [event.encoded() for event in events]
    records = [Record("checkout.finished", 0, offset, b"1", value) for offset, value in enumerate(values)]
    query(
        url,
        "SET LOCAL session_replication_role = replica; TRUNCATE users, ledger_entries;"
        " INSERT INTO users (id) SELECT generate_series(1, %s)",
        (USERS,),
    )
    if repeated:
        ours(1_000)(url, records[::2])()
    run = way(url, records)
    began = time.perf_counter()
    run()
    took = time.perf_counter() - began
    [found] = query(url, "SELECT count(*) AS entries, sum(amount_cents) AS cents FROM ledger_entries")
    [users] = query(url, "SELECT sum(balance) AS cents FROM users")
    assert (found["entries"], found["cents"], users["cents"]) == (count, 500 * count, 500 * count)
    return count / took


@pytest.mark.timeout(900)
@pytest.mark.parametrize("repeated", [False, True], ids=["new", "half of them known"])
def test_crediting(url: str, repeated: bool) -> None:
    best = dict.fromkeys(WAYS, 0.0)
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            best[name] = max(best[name], rate(url, way, repeated=repeated))

    print(
        f"\n{EVENTS:,} events, {USERS:,} users, half of them known: {repeated}; the best of {ROUNDS} rounds"
    )
    for name, events in best.items():
        print(f"  {name:42} {events:9,.0f} events/s  {events / best[LIMIT]:5.0%} of the limit")
    print(f"  {OURS}: {best[OURS] / best[ONE_BY_ONE]:.0f} x one event a transaction")
    assert best[OURS] > 40 * best[ONE_BY_ONE]
    assert repeated or best[OURS] > 0.55 * best[LIMIT]
