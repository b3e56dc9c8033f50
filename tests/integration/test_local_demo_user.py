"""The demo user, in the stack's own table of users and in an application's."""

from collections.abc import Iterator

import pytest

from checkout.base.postgres import Database
from checkout.release.migrate import Migrate
from local.stack import demo_user
from tests.support.functions import another_database, query

OF_APPLICATIONS = {
    "more columns than ours": "CREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT, name TEXT NOT NULL)",
    "numbers from a sequence": "CREATE TABLE users (id BIGSERIAL PRIMARY KEY, email TEXT)",
    "an identity": "CREATE TABLE users (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email TEXT)",
    "a view": "CREATE TABLE accounts (id BIGINT PRIMARY KEY, email TEXT, name TEXT NOT NULL,"
    " balance BIGINT NOT NULL DEFAULT 0);"
    " CREATE VIEW users AS SELECT id, email, balance FROM accounts",
}


@pytest.fixture
def empty(databases: tuple[str, str]) -> Iterator[str]:
    with another_database(databases[0], "of_a_demo_user") as url:
        yield url


def migrate(url: str) -> None:
    database = Database(lambda: url)
    try:
        Migrate(database, database, "tests")()
    finally:
        database.close()


def test_the_stacks_own_table_gets_it_once(empty: str) -> None:
    migrate(empty)
    for _ in range(2):
        demo_user.insert(empty, 1)
    assert query(empty, "SELECT id, balance FROM users") == [{"id": 1, "balance": 0}]


@pytest.mark.parametrize("tables", OF_APPLICATIONS.values(), ids=OF_APPLICATIONS)
def test_an_applications_table_gets_nobody(empty: str, tables: str) -> None:
    """Nobody could be inserted, or the application's own first user would find the number taken."""
    query(empty, tables)
    migrate(empty)
    demo_user.insert(empty, 1)
    assert query(empty, "SELECT id FROM users") == []
