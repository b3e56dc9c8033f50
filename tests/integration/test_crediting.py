"""Records of checkout.finished → ledger and balance, each effect once."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg2
import pytest

from checkout.base import timing
from checkout.base.errors import DatabaseUnavailable
from checkout.base.postgres import Database
from checkout.ledger.crediting import CreditBalances
from checkout.outbox.record import Record
from tests.support import functions
from tests.support.functions import Functions, finished
from tests.support.statements import Statements


def records(*events: dict[str, object]) -> list[Record]:
    return [
        Record("checkout.finished", 0, at, b"1", json.dumps(event).encode())
        for at, event in enumerate(events)
    ]


def balance_is_the_sum_of_the_entries(fns: Functions) -> bool:
    return not fns.application(
        "SELECT users.id FROM users LEFT JOIN ledger_entries ON user_id = users.id GROUP BY users.id"
        " HAVING balance <> COALESCE(sum(amount_cents), 0)"
    )


def test_an_event_with_only_the_original_fields_is_credited(fns: Functions) -> None:
    fns.consume(
        {
            "request_id": "r1",
            "user_id": 1,
            "amount_cents": 500,
            "currency": "eur",
            "purpose": "balance_topup",
            "status": "success",
            "session_id": "cs_test_1",
            "session_url": None,
            "payment_intent_id": "pi_1",
            "error_message": None,
            "timestamp": "2026-11-23T12:00:00Z",
        }
    )
    [entry] = fns.application("SELECT * FROM ledger_entries")
    assert (entry["effect_key"], entry["user_id"], entry["amount_cents"], entry["kind"]) == (
        "success:r1",
        1,
        500,
        "success",
    )
    assert (entry["topic"], entry["partition"], entry["kafka_offset"]) == ("checkout.finished", 0, 0)
    assert fns.balance() == 500


def test_missing_currency_and_purpose_are_the_defaults_and_unknown_fields_are_ignored(fns: Functions) -> None:
    missing = finished()
    del missing["currency"], missing["purpose"]
    fns.consume(missing, finished(currency=None, purpose=None, colour="blue"), finished(currency="EUR"))
    assert fns.balance() == 1500


def test_what_was_paid_is_credited_however_much_a_top_up_may_be(fns: Functions) -> None:
    fns.set(MAX_AMOUNT_CENTS="1000")
    functions.forget_wiring()
    fns.consume(finished(amount_cents=1001))
    assert fns.balance() == 1001


@pytest.mark.parametrize("fields", [{"status": "session_created"}, {"status": "failed"}, {"purpose": "gift"}])
def test_what_moves_no_balance_passes(fns: Functions, fields: dict[str, str]) -> None:
    fns.consume(finished(**fields))
    assert fns.balance() == 0
    assert fns.application("SELECT 1 FROM ledger_entries UNION ALL SELECT 1 FROM parked_events") == []


def test_reversals_go_down_and_come_back_and_may_go_below_zero(fns: Functions) -> None:
    request_id = str(uuid4())
    fns.consume(
        finished(request_id, status="disputed", source_id="txn_1", amount_cents=700),
        finished(request_id),
        finished(request_id, status="refunded", source_id="re_1", amount_cents=300),
    )
    assert fns.balance() == -500
    fns.consume(
        finished(request_id, status="refund_failed", source_id="re_1", amount_cents=300),
        finished(request_id, status="dispute_won", source_id="txn_2", amount_cents=700),
    )
    assert fns.balance() == 500
    assert balance_is_the_sum_of_the_entries(fns)


@pytest.mark.parametrize("size", [1, 200])
def test_a_batch_takes_four_statements_whatever_its_size_and_one_more_for_reversals(
    fns: Functions, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """With commit: each is a round trip."""
    statements = Statements(monkeypatch)
    batch = [finished(f"r{number}") for number in range(size)]
    fns.consume(*batch)
    assert statements.executed == 4
    statements.clear()
    fns.consume(
        *(finished(f"r{number}", status="refunded", source_id=f"re_{number}") for number in range(size)),
        *(finished(f"r{number}", status="refund_failed", source_id=f"re_{number}") for number in range(size)),
        *(finished(f"new{number}") for number in range(size)),
    )
    assert statements.executed == 5
    assert fns.balance() == 2 * size * 500


def test_a_replay_of_the_topic_changes_nothing(fns: Functions) -> None:
    fns.add_users(2, 3)
    topic = records(*(finished(user_id=1 + number % 3, amount_cents=1 + number) for number in range(60)))
    fns.consume(*topic)
    before = [fns.balance(user_id) for user_id in (1, 2, 3)]
    assert sum(before) == sum(range(1, 61))
    for start in (0, 17, 59):
        fns.consume(*topic[start:])
    assert [fns.balance(user_id) for user_id in (1, 2, 3)] == before


def test_parallel_consumers_with_overlapping_batches_neither_double_nor_deadlock(fns: Functions) -> None:
    fns.add_users(*range(2, 21))
    events = records(*(finished(user_id=1 + number % 20) for number in range(200)))
    batches = [[*events[start:], *events[:start]] for start in range(0, 200, 25)]
    with ThreadPoolExecutor(len(batches)) as pool:
        services = [CreditBalances(Database(lambda: fns.settings["DATABASE_URL"]), "eur") for _ in batches]
        tallies = list(pool.map(lambda pair: pair[0](pair[1]), zip(services, batches, strict=True)))
    assert sum(tally.credited for tally in tallies) == 200
    assert {fns.balance(user_id) for user_id in range(1, 21)} == {5000}
    assert balance_is_the_sum_of_the_entries(fns)


def test_the_ledger_cannot_be_rewritten(fns: Functions) -> None:
    fns.consume(finished())
    for statement in ("UPDATE ledger_entries SET amount_cents = 1", "DELETE FROM ledger_entries"):
        with pytest.raises(psycopg2.errors.RestrictViolation, match="append-only"):
            fns.application(statement)


def test_a_database_that_is_away_fails_the_batch_so_that_it_comes_again(fns: Functions) -> None:
    batch = records(finished(), finished())
    with fns.set(DATABASE_URL="postgresql://x@127.0.0.1:1/x"), pytest.raises(DatabaseUnavailable):
        fns.consume(*batch)
    functions.forget_wiring()
    fns.consume(*batch)
    assert fns.balance() == 1000


def test_a_lock_that_is_not_given_up_is_transient(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LOCKED_USERS", 0.05)
    event = finished()
    other = psycopg2.connect(fns.settings["DATABASE_URL"])
    with other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM users FOR UPDATE")
        assert fns.consume(event)["batchItemFailures"] == [
            {"itemIdentifier": {"partition": "checkout.finished-0", "offset": 0}}
        ]
    other.close()
    assert fns.application("SELECT 1 FROM parked_events") == []
    assert fns.consume(event) == {"batchItemFailures": []}
    assert fns.balance() == 500


def test_an_open_transaction_that_refers_to_a_user_does_not_hold_up_the_users_credits(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from checkout.base import postgres

    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "50ms")
    other = psycopg2.connect(fns.settings["DATABASE_URL"])
    with other, other.cursor() as cursor:
        cursor.execute("SELECT id FROM users FOR KEY SHARE")
        fns.consume(finished())
    other.close()
    assert fns.balance() == 500


def test_a_connection_that_died_between_two_events_is_replaced(fns: Functions) -> None:
    fns.consume(finished())
    fns.application(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'checkout' AND datname = current_database()"
    )
    fns.consume(finished())
    assert fns.balance() == 1000


def test_a_server_that_became_read_only_is_left_for_the_one_that_is_not(fns: Functions) -> None:
    """After a failover the old writer is a reader, and may keep our connection open."""
    name = urlsplit(fns.settings["DATABASE_URL"]).path[1:]
    event = finished()
    functions.forget_wiring()
    fns.application(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        with pytest.raises(DatabaseUnavailable):
            fns.consume(event)
    finally:
        fns.application(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    fns.consume(event)
    assert fns.balance() == 500


def test_a_payment_intent_is_credited_once_under_whatever_request_id(fns: Functions) -> None:
    """A restored database may give two payments of one request each other's key."""
    fns.consume(finished("r", payment_intent_id="pi_2"), finished("r:cs_1", payment_intent_id="pi_1"))

    fns.consume(
        finished("r", payment_intent_id="pi_1"),
        finished("r:cs_2", payment_intent_id="pi_2"),
        finished("another", payment_intent_id="pi_3"),
    )

    assert fns.balance() == 1500
    assert fns.application("SELECT 1 FROM parked_events") == [], "each payment has its credit"


@pytest.mark.parametrize("alone", [True, False])
def test_a_second_payment_under_a_known_key_is_not_taken_for_the_first(fns: Functions, alone: bool) -> None:
    first, second = (finished("r", payment_intent_id=intent) for intent in ("pi_1", "pi_2"))
    fns.consume(first)
    fns.consume(*([second] if alone else [first, second]))

    assert fns.balance() == 500
    [parked] = fns.application("SELECT payment_intent_id, reason FROM parked_events")
    assert parked["payment_intent_id"] == "pi_2"
    assert "for another payment" in parked["reason"]


def test_an_entry_whose_balance_does_not_move_is_not_committed(fns: Functions) -> None:
    fns.application(
        "CREATE FUNCTION keep_balance() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER keep_balance BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION keep_balance()"
    )
    try:
        fns.consume(finished())
    finally:
        fns.application("DROP TRIGGER keep_balance ON users; DROP FUNCTION keep_balance()")
    assert fns.application("SELECT 1 FROM ledger_entries") == []
    [parked] = fns.application("SELECT reason FROM parked_events")
    assert "did not move by exactly the amount" in parked["reason"]
