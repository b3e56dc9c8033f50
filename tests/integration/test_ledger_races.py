"""Two processes with one balance at the same moment: consumers, operators and the application itself."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from psycopg2 import errors

from checkout.base import postgres
from checkout.base.errors import Refused
from checkout.operations.verbs.corrections import Corrections
from checkout.operations.verbs.parked import ParkedRecords
from tests.support import functions
from tests.support.functions import Functions, finished, system
from tests.support.roles import acting_as
from tests.support.second_connection import SecondConnection, second_connection, waiting, waiting_or_done
from tests.support.statements import Statements

ENTRY = (
    "INSERT INTO ledger_entries (effect_key, user_id, amount_cents, currency, kind)"
    " VALUES (%s, %s, 500, 'eur', 'success')"
)


@pytest.fixture
def url(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the application's database; the functions wait for a lock as long as the test takes."""
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "20s")
    functions.forget_wiring()
    return fns.settings["DATABASE_URL"]


def test_batches_that_share_effects_enter_them_in_one_order(
    fns: Functions, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that waits for the first of them has not entered the second, so no deadlock is possible."""
    statements = Statements(monkeypatch)
    fns.add_users(2)
    batch = [finished(key, amount_cents=700) for key in ("b", "a")]
    with second_connection(url) as other:
        other.execute(ENTRY, ("success:a", 2))
        consuming = waiting(url, lambda: fns.consume(*batch))
        other.execute(ENTRY, ("success:b", 2))
        other.commit()
        assert consuming.result(20) == {"batchItemFailures": []}
    assert statements.failed == 0, "nobody was the victim of a deadlock"
    assert len(fns.application("SELECT 1 FROM parked_events")) == 2, "both are conflicts"
    assert fns.balance() == 0


def test_an_effect_that_another_consumer_is_entering_is_known_once_that_commits(
    fns: Functions, url: str
) -> None:
    with second_connection(url) as other:
        other.execute(ENTRY, ("success:r1", 1))
        consuming = waiting(url, lambda: fns.consume(finished("r1")))
        other.commit()
        consuming.result(20)
    assert fns.application("SELECT 1 FROM parked_events") == []
    assert fns.balance() == 0, "the other one moves it"


def test_what_is_discarded_while_it_is_delivered_again_is_not_credited(fns: Functions, url: str) -> None:
    """The operator holds the user: the consumer comes wholly before or after the decision."""
    event = finished("r1", user_id=7)
    fns.consume(event)
    fns.add_users(7)
    with second_connection(url) as operator:
        operator.execute("SELECT 1 FROM users WHERE id = 7 FOR NO KEY UPDATE")
        operator.execute("UPDATE parked_events SET resolution = 'discarded', resolved_at = now()")
        consuming = waiting_or_done(url, lambda: fns.consume(event))
        operator.commit()
        if consuming.result(20)["batchItemFailures"]:
            assert fns.consume(event) == {"batchItemFailures": []}
    assert fns.application("SELECT 1 FROM ledger_entries") == []
    assert fns.balance(7) == 0


@pytest.fixture
def without_index_scans(url: str, fns: Functions) -> Iterator[None]:
    """Rows come in the order in which they are stored, as in a plan that PostgreSQL may choose any time."""
    name = urlsplit(url).path[1:]
    fns.application(f"ALTER DATABASE {name} SET enable_indexscan = off")
    functions.forget_wiring()
    yield
    fns.application(f"ALTER DATABASE {name} RESET enable_indexscan")


def test_what_waits_for_several_users_locks_them_in_one_order(
    fns: Functions, url: str, without_index_scans: None
) -> None:
    """As an application must that moves several balances: who waits for the first user holds no other."""
    fns.application("DELETE FROM users")
    fns.add_users(2, 1, balance=500)

    def open_balances() -> int:
        with acting_as("operations"):
            return Corrections(system()).open_balances()

    with second_connection(url) as application:
        application.execute("SELECT 1 FROM users WHERE id = 1 FOR NO KEY UPDATE")
        opening = waiting(url, open_balances)
        application.execute("SELECT 1 FROM users WHERE id = 2 FOR NO KEY UPDATE")
        application.commit()
        assert opening.result(20) == 2


def test_a_record_is_decided_by_one_operator(fns: Functions, url: str) -> None:
    """Its bytes name no user, whose row could make the second one wait."""
    fns.consume(b"nonsense")
    with acting_as("operations"):
        parked = ParkedRecords(system())
        [record] = parked.page()

    def discard() -> None:
        with acting_as("operations"):
            parked.discard(record.id, reason="nonsense", operator="bob")

    with second_connection(url) as other:
        other.execute(
            "UPDATE parked_events SET resolution = 'discarded', resolved_at = now(), operator = 'ada'"
        )
        discarding = waiting(url, discard)
        other.commit()
        with pytest.raises(Refused, match="was discarded"):
            discarding.result(20)
    assert [row["operator"] for row in fns.application("SELECT operator FROM parked_events")] == ["ada"]


def test_an_operator_waits_for_the_consumer_and_decides_about_what_that_has_parked(
    fns: Functions, url: str
) -> None:
    """A reversal is decided together with its credit."""
    fns.consume(finished("r1", currency="usd"))
    with acting_as("operations"):
        parked = ParkedRecords(system())
        [credit] = parked.page()

    def discard() -> list[str | None]:
        with acting_as("operations"):
            return [record.effect_key for record in parked.discard(credit.id, reason="paid back by hand")]

    with second_connection(url) as consumer:
        consumer.execute("SELECT 1 FROM users WHERE id = 1 FOR NO KEY UPDATE")
        consumer.execute(
            "INSERT INTO parked_events (topic, partition, kafka_offset, value, reason,"
            " effect_key, user_id, amount_cents, currency, request_id)"
            " VALUES ('checkout.finished', 0, 9, '', 'its credit is parked',"
            " 'refunded:re_1', 1, -200, 'eur', 'r1')"
        )
        discarding = waiting(url, discard)
        consumer.commit()
        assert discarding.result(20) == ["success:r1", "refunded:re_1"]


def debit(connection: SecondConnection, effect_key: str = "order:1") -> bool:
    [row] = connection.execute("SELECT ledger_move(%s, 1, -400, 'eur', 'order') AS moved", (effect_key,))
    return bool(row["moved"])


def second_debit(url: str, *arguments: Any) -> bool:
    with second_connection(url) as own:
        own.execute("SET lock_timeout = '20s'")
        moved = debit(own, *arguments)
        own.commit()
        return moved


def test_a_debit_waits_for_another_and_is_refused_what_that_has_taken(fns: Functions, url: str) -> None:
    fns.consume(finished())
    with second_connection(url) as other:
        assert debit(other, "order:1")
        debiting = waiting(url, lambda: second_debit(url, "order:2"))
        other.commit()
        with pytest.raises(errors.CheckViolation, match="too small"):
            debiting.result(20)
    assert fns.balance() == 100


def test_a_debit_that_is_repeated_while_the_first_commits_is_the_same_one(fns: Functions, url: str) -> None:
    fns.consume(finished())
    with second_connection(url) as other:
        assert debit(other)
        repeated = waiting(url, lambda: second_debit(url))
        other.commit()
        assert repeated.result(20) is False
    assert fns.balance() == 100


def test_a_balance_that_is_rebuilt_while_it_is_credited_keeps_the_credit(fns: Functions, url: str) -> None:
    def rebuild() -> tuple[int, int]:
        with acting_as("operations"):
            return Corrections(system()).rebuild_balance(1, reason="edited by hand", operator="ada")

    with second_connection(url) as other:
        other.execute(ENTRY, ("success:r1", 1))
        other.execute("UPDATE users SET balance = balance + 500 WHERE id = 1")
        rebuilding = waiting(url, rebuild)
        other.commit()
        assert rebuilding.result(20) == (500, 500)
    assert fns.balance() == 500


def test_the_ledger_is_closed_to_its_owner_too(fns: Functions) -> None:
    fns.consume(finished())
    for statement in (
        "UPDATE ledger_entries SET amount_cents = amount_cents",
        "DELETE FROM ledger_entries WHERE false",
        "TRUNCATE ledger_entries",
    ):
        with pytest.raises(psycopg2.errors.RestrictViolation):
            fns.application(statement)
