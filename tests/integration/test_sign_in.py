"""How the functions sign in to PostgreSQL: by the URL's password, by a token of IAM, as the master user."""

import json
from collections.abc import Iterator

import boto3
import psycopg2
import pytest
from moto import mock_aws
from psycopg2.extensions import parse_dsn

from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, DatabaseUnavailable, Unavailable
from checkout.base.postgres import SESSION, Database
from checkout.base.rds_token import RdsTokens
from tests.support.functions import query
from tests.support.settings import put, sign_in_to_aws

ROLE = "checkout_sign_in"
TIMEOUTS = [name for name in SESSION if name.endswith("_timeout")]


@pytest.fixture
def server(databases: tuple[str, str]) -> Iterator[dict[str, str]]:
    """Where the checkout database is. ROLE may connect to it, with the password "token-1"."""
    url = databases[0]
    query(url, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'token-1'")
    query(url, f"GRANT CONNECT ON DATABASE {parse_dsn(url)['dbname']} TO {ROLE}")
    for name in TIMEOUTS:
        query(url, f"ALTER ROLE {ROLE} SET {name} = '7s'")
    yield parse_dsn(url)
    query(url, f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}")


def passwordless(server: dict[str, str]) -> str:
    return f"postgresql://{ROLE}@{server['host']}:{server['port']}/{server['dbname']}"


def timeouts(database: Database) -> dict[str, str]:
    with database.transaction() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (TIMEOUTS,))
        return {row["name"]: row["setting"] for row in cursor.fetchall()}


def test_a_token_is_made_for_host_port_and_user_at_every_connect(
    databases: tuple[str, str], server: dict[str, str]
) -> None:
    asked: list[tuple[str, int, str]] = []

    def token(*place: object) -> str:
        asked.append(place)  # type: ignore[arg-type]
        return f"token-{len(asked)}"

    database = Database(lambda: passwordless(server), token=token)
    with database.transaction() as cursor:
        cursor.execute("SELECT 1")
    query(databases[0], f"ALTER ROLE {ROLE} PASSWORD 'token-2'")
    with database.transaction() as cursor:
        cursor.execute("SELECT 1")
    assert asked == [(server["host"], int(server["port"]), ROLE)], "an open connection outlives its token"

    database.close()
    with database.transaction() as cursor:
        cursor.execute("SELECT current_user AS name")
    assert len(asked) == 2
    database.close()


def test_a_role_that_signs_in_by_token_brings_its_timeouts_and_sets_nothing(
    databases: tuple[str, str], server: dict[str, str]
) -> None:
    query(databases[0], f"ALTER ROLE {ROLE} SET synchronous_commit = on")
    by_token = Database(lambda: passwordless(server), token=lambda *_: "token-1")
    by_password = Database(lambda: passwordless(server).replace("@", ":token-1@"))

    for database, waits_for_the_disk in ((by_token, "on"), (by_password, "off")):
        with database.transaction(durable=False) as cursor:
            cursor.execute("SELECT current_setting('synchronous_commit') AS setting")
            assert cursor.fetchall() == [{"setting": waits_for_the_disk}]
    assert set(timeouts(by_token).values()) == {"7000"}
    by_token.close()
    by_password.close()


def test_who_has_a_password_gets_the_timeouts_at_connect(databases: tuple[str, str]) -> None:
    database = Database(lambda: databases[0])

    assert timeouts(database) == {
        "lock_timeout": "5000",
        "statement_timeout": "25000",
        "idle_in_transaction_session_timeout": "30000",
    }
    database.close()


def test_who_waited_for_a_lock_sees_what_was_committed_whatever_the_database_s_default_is(
    databases: tuple[str, str],
) -> None:
    name = databases[0].rpartition("/")[2]
    query(databases[0], f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
    database = Database(lambda: databases[0])
    try:
        with database.transaction() as tx:
            tx.execute("SELECT current_setting('transaction_isolation') AS level")
            assert tx.row() == {"level": "read committed"}
    finally:
        database.close()
        query(databases[0], f"ALTER DATABASE {name} RESET default_transaction_isolation")


def test_a_url_that_no_token_can_be_made_for_is_refused() -> None:
    database = Database(lambda: "postgresql://server/checkout", token=lambda *_: "token")

    with pytest.raises(ConfigurationError, match="postgresql://role@host"), database.transaction():
        pass


def test_a_wrong_token_is_a_database_that_is_away(server: dict[str, str]) -> None:
    database = Database(lambda: passwordless(server), token=lambda *_: "expired")

    with pytest.raises(DatabaseUnavailable), database.transaction():
        pass


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sign_in_to_aws(monkeypatch)
    with mock_aws():
        yield


def test_a_token_names_the_action_the_user_and_its_end(account: None) -> None:
    made = RdsTokens()("db.example.com", 5432, "checkout_account")

    assert made.startswith("db.example.com:5432/?Action=connect&DBUser=checkout_account&")
    assert "X-Amz-Expires=900" in made
    assert "%2Feu-central-1%2Frds-db%2F" in made


def test_without_credentials_there_is_no_token(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.DEFAULT_SESSION = None
    put(monkeypatch, AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_SESSION_TOKEN=None)
    put(monkeypatch, AWS_EC2_METADATA_DISABLED="true")

    with pytest.raises(Unavailable, match="NoCredentialsError"):
        RdsTokens()("db.example.com", 5432, "checkout_account")
    boto3.DEFAULT_SESSION = None


def test_migrations_run_as_the_master_user_whose_password_needs_quoting(
    account: None, databases: tuple[str, str], server: dict[str, str]
) -> None:
    password = "a/b@c:d?e%f#"
    query(databases[0], f"ALTER ROLE {ROLE} PASSWORD %s", (password,))
    secret = {"username": ROLE, "password": password}
    arn = boto3.client("secretsmanager").create_secret(Name="master", SecretString=json.dumps(secret))["ARN"]
    place = f"{server['host']}:{server['port']}/{server['dbname']}?application_name=x"
    for url in (f"postgresql://{place}", f"postgresql://somebody@{place}"):
        config = Config({"CHECKOUT_DATABASE_URL": url, "DATABASE_MASTER_SECRET_ARN": arn})
        for made in (config.checkout_database_url(), config.database_url()):
            connection = psycopg2.connect(made)
            assert connection.info.user == ROLE
            connection.close()


def test_a_master_secret_without_password_is_named(account: None) -> None:
    arn = boto3.client("secretsmanager").create_secret(Name="master", SecretString='{"username": "a"}')["ARN"]
    config = Config({"CHECKOUT_DATABASE_URL": "postgresql://h/d", "DATABASE_MASTER_SECRET_ARN": arn})

    with pytest.raises(ConfigurationError, match="DATABASE_MASTER_SECRET_ARN"):
        config.checkout_database_url()
