"""A transaction in as few round trips as it takes, over a connection that may be gone."""

import os
import socket
import sys

import pytest

from checkout.base import timing
from checkout.base.errors import DatabaseUnavailable, DataRefused, InvariantBroken
from checkout.base.postgres import Database, array
from tests.support.functions import Functions
from tests.support.statements import Statements


@pytest.fixture
def database(fns: Functions) -> Database:
    return Database(lambda: fns.settings["CHECKOUT_DATABASE_URL"])


def insert(event_id: str) -> tuple[str, tuple[str]]:
    return (
        "INSERT INTO stripe_events (event_id, type, payload, outcome) VALUES (%s, 'ping', '{}', 'ignored')",
        (event_id,),
    )


def stored(fns: Functions) -> list[str]:
    return [row["event_id"] for row in fns.checkout("SELECT event_id FROM stripe_events ORDER BY event_id")]


def test_begin_goes_with_the_first_statement_and_what_is_queued_with_commit(
    fns: Functions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(monkeypatch)
    with database.transaction() as tx:
        tx.execute("SELECT 1 AS one")
        assert tx.row() == {"one": 1}
        tx.queue(*insert("evt_1"))
        tx.queue(*insert("evt_2"))

    assert statements.executed == 2
    assert stored(fns) == ["evt_1", "evt_2"]


def test_without_a_statement_nothing_is_sent(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    statements = Statements(monkeypatch)
    with database.transaction():
        pass

    assert statements.executed == 0


def test_of_what_is_refused_at_the_end_nothing_is_stored(fns: Functions, database: Database) -> None:
    def twice() -> None:
        with database.transaction() as tx:
            tx.execute(*insert("evt_1"))
            tx.queue(*insert("evt_2"))
            tx.queue(*insert("evt_1"))

    with pytest.raises(DataRefused):
        twice()
    with database.transaction() as tx:
        tx.queue(*insert("evt_3"))
    assert stored(fns) == ["evt_3"]


def test_what_is_queued_is_rolled_back_with_the_rest(fns: Functions, database: Database) -> None:
    with database.transaction(commit=False) as tx:
        tx.queue(*insert("evt_1"))

    def fail() -> None:
        with database.transaction() as tx:
            tx.queue(*insert("evt_2"))
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - its own
        fail()
    assert stored(fns) == []


def test_a_statement_of_its_own_is_one_round_trip(
    fns: Functions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(monkeypatch)
    with database.autocommit() as tx:
        tx.execute(*insert("evt_1"))
    with database.autocommit(durable=False) as tx:
        tx.execute(*insert("evt_2"))

    assert statements.executed == 2
    assert stored(fns) == ["evt_1", "evt_2"]


@pytest.mark.parametrize("begin", ["transaction", "autocommit"])
def test_a_connection_that_is_gone_is_replaced_at_the_first_statement(
    fns: Functions, database: Database, begin: str
) -> None:
    with getattr(database, begin)() as tx:
        tx.execute("SELECT pg_backend_pid() AS pid")
        pid = tx.row()["pid"]
    fns.checkout("SELECT pg_terminate_backend(%s)", (pid,))

    with getattr(database, begin)() as tx:
        tx.execute(*insert("evt_1"))
    assert stored(fns) == ["evt_1"]


def test_a_connection_that_goes_later_is_an_error(fns: Functions, database: Database) -> None:
    def lose_it() -> None:
        with database.transaction() as tx:
            tx.execute("SELECT pg_backend_pid() AS pid")
            pid = tx.row()["pid"]
            tx.execute(*insert("evt_1"))
            fns.checkout("SELECT pg_terminate_backend(%s)", (pid,))
            tx.execute(*insert("evt_2"))

    with pytest.raises(DatabaseUnavailable):
        lose_it()
    assert stored(fns) == []


def test_what_a_url_says_of_its_connection_is_so(fns: Functions) -> None:
    """Hosts of PostgreSQL hand out URLs with such parameters."""
    url = f"{fns.settings['CHECKOUT_DATABASE_URL']}?connect_timeout=15&application_name=shop"
    with Database(lambda: url).autocommit() as tx:
        tx.execute("SELECT current_setting('application_name') AS name")
        assert tx.row() == {"name": "shop"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has TCP_USER_TIMEOUT")
def test_a_server_that_vanishes_without_a_word_is_soon_given_up(database: Database) -> None:
    """The host must acknowledge what is sent, and answer keepalives while its answer is awaited. (A test that
    cuts a connection would need a firewall.)"""
    connection = database.cursor().connection
    with socket.socket(fileno=os.dup(connection.fileno())) as way:
        assert way.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == timing.DATABASE_SILENCE * 1000
        assert way.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL):
            assert way.getsockopt(socket.IPPROTO_TCP, option) == timing.DATABASE_SILENCE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has TCP_USER_TIMEOUT")
def test_a_database_that_wakes_up_is_waited_for_as_long_as_is_set(fns: Functions) -> None:
    """Linux gives up a connection that is not accepted after TCP_USER_TIMEOUT."""
    url = fns.settings["CHECKOUT_DATABASE_URL"]
    connection = Database(lambda: url, connect_timeout_seconds=25).cursor().connection
    with socket.socket(fileno=os.dup(connection.fileno())) as way:
        assert way.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 25_000


def test_rows_as_tuples_see_the_transaction(database: Database) -> None:
    with database.transaction(commit=False) as tx:
        tx.queue(*insert("evt_1"))
        assert tx.tuples("SELECT event_id FROM stripe_events") == [("evt_1",)]


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["a", None, "NULL", "null", ""],
        ['"', "\\", 'a","b', "{}", "a,b", " a ", None],
        ["\n\t\x01\x7f", "\u2028", "é😀", "\\u0041", "/"],
        ["plain", "\\", None],
    ],
)
def test_an_array_arrives_as_it_is(database: Database, values: list[str | None]) -> None:
    with database.autocommit() as tx:
        assert tx.tuples("SELECT %s::text[]", (array(values),)) == [(values,)]
        assert tx.tuples("SELECT %s::bigint[]", (array([2**63 - 1, -1, None]),)) == [([2**63 - 1, -1, None],)]


def test_a_queued_write_that_must_change_one_row_is_loud_if_it_changes_none(
    fns: Functions, database: Database
) -> None:
    update = "UPDATE stripe_events SET outcome = 'applied' WHERE event_id = %s"

    def change(event_id: str) -> None:
        with database.transaction() as tx:
            tx.execute(*insert("evt_1"))
            tx.queue(update, (event_id,), changes_one_row=True)

    with pytest.raises(InvariantBroken):
        change("evt_2")
    assert stored(fns) == []
    change("evt_1")
    assert fns.checkout("SELECT outcome FROM stripe_events") == [{"outcome": "applied"}]


def test_after_a_rollback_nothing_is_left_to_commit(
    fns: Functions, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(monkeypatch)
    with database.transaction() as tx:
        tx.execute(*insert("evt_1"))
        tx.queue(*insert("evt_2"))
        tx.roll_back()

    assert statements.executed == 2
    assert stored(fns) == []
