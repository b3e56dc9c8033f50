"""An application that has `users` already, with a balance of its own making."""

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2 import errors

from checkout.base.postgres import Database
from checkout.release.migrate import Migrate
from tests.support import functions
from tests.support.functions import query


@pytest.fixture
def adopter(databases: tuple[str, str]) -> Iterator[str]:
    """The URL of a database with users alone, whose balances may be null."""
    connection = psycopg2.connect(databases[0])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE adopter")
    url = databases[0].rpartition("/")[0] + "/adopter"
    query(url, "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT, balance BIGINT)")
    query(url, "INSERT INTO users (id, balance) VALUES (1, NULL), (2, 700)")
    yield url
    functions.disconnect()
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE adopter WITH (FORCE)")
    connection.close()


def migrate(url: str) -> list[str]:
    database = Database(lambda: url)
    try:
        return Migrate(database, database)()
    finally:
        database.close()


def balances(url: str) -> dict[int, int | None]:
    return {row["id"]: row["balance"] for row in query(url, "SELECT id, balance FROM users")}


def test_a_balance_that_is_null_becomes_one_that_counts(adopter: str) -> None:
    migrate(adopter)
    query(adopter, "INSERT INTO users (id) VALUES (3)")
    assert balances(adopter) == {1: 0, 2: 700, 3: 0}
    with pytest.raises(errors.CheckViolation, match="0 is too small for a debit of 1"):
        query(adopter, "SELECT ledger_move('order:1', 1, -1, 'eur', 'order')")
    query(adopter, "SELECT ledger_move('gift:1', 1, 500, 'eur', 'gift')")
    assert balances(adopter)[1] == 500
    with pytest.raises(errors.NotNullViolation):
        query(adopter, "UPDATE users SET balance = NULL")


def test_what_was_entered_while_it_was_null_is_in_it_afterwards(adopter: str) -> None:
    migrate(adopter)
    query(adopter, "SELECT ledger_move('gift:1', 1, 500, 'eur', 'gift')")
    query(adopter, "ALTER TABLE users ALTER balance DROP NOT NULL")
    query(adopter, "UPDATE users SET balance = NULL WHERE id = 1")
    query(adopter, "DELETE FROM schema_migrations WHERE name LIKE 'application/0006%%'")
    assert len(migrate(adopter)) == 1
    assert balances(adopter) == {1: 500, 2: 700}
