"""What PostgreSQL writes into its log with the settings that the template gives Aurora."""

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from tests.infrastructure import rules
from tests.support.postgres import new_postgres

EMAIL = "ada@example.com"
REFUSED = (
    f"INSERT INTO known VALUES ('{EMAIL}')",
    f"INSERT INTO known VALUES ('{EMAIL}, twice'), (NULL)",
    f"SELECT * FROM nowhere WHERE email = '{EMAIL}'",
)
"""Whose messages have a key, a row or a statement of their own."""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """URL of a server, and its log."""
    data = tmp_path_factory.mktemp("postgres") / "data"
    server = new_postgres(data)
    server.start()
    server.create_database("checkout")
    yield server.url("checkout"), data / "postgres.log"
    server.stop()


def logged(log: tuple[str, Path], settings: dict[str, str]) -> str:
    """What is written about REFUSED, and about one statement that is not."""
    url, file = log
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute(f"SET {name} TO '{value}'")
        before = file.stat().st_size
        cursor.execute("CREATE TEMPORARY TABLE known (email text PRIMARY KEY)")
        cursor.execute("INSERT INTO known VALUES (%s)", [EMAIL])
        for statement in REFUSED:
            with pytest.raises(psycopg2.Error):
                cursor.execute(statement)
    connection.close()
    return file.read_bytes()[before:].decode()


def test_a_refused_statement_leaves_nothing_personal(log: tuple[str, Path]) -> None:
    written = logged(log, rules.LOGS_NO_STATEMENT)
    assert written.count("ERROR") == len(REFUSED)
    assert EMAIL not in written


@pytest.mark.parametrize("name", ["log_min_error_statement", "log_error_verbosity"])
def test_each_setting_is_needed(log: tuple[str, Path], name: str) -> None:
    others = {key: value for key, value in rules.LOGS_NO_STATEMENT.items() if key != name}
    assert EMAIL in logged(log, others)


def test_a_slow_statement_would_be_written(log: tuple[str, Path]) -> None:
    written = logged(log, rules.LOGS_NO_STATEMENT | {"log_min_duration_statement": "0"})
    assert EMAIL in written
