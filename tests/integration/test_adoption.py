"""An application that has `users` already, with a balance of its own making."""

from collections.abc import Iterator

import pytest
from psycopg2 import errors

from checkout.base import timing
from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Database
from checkout.base.user_ids import KINDS
from checkout.release.migrate import Migrate
from tests.support.functions import another_database, disconnect, query


@pytest.fixture
def adopter(databases: tuple[str, str]) -> Iterator[str]:
    """The URL of a database with users alone, whose balances may be null."""
    with another_database(databases[0], "adopter") as url:
        query(url, "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT, balance BIGINT)")
        query(url, "INSERT INTO users (id, balance) VALUES (1, NULL), (2, 700)")
        yield url


def migrate(url: str, kind: str = "bigint") -> list[str]:
    database = Database(lambda: url, user_ids=KINDS[kind])
    try:
        return Migrate(database, database, "tests")()
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


def test_millions_of_users_may_take_longer_than_a_request(adopter: str) -> None:
    query(adopter, "CREATE TABLE limits (milliseconds BIGINT)")
    query(
        adopter,
        "CREATE FUNCTION note_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO limits SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout';"
        " RETURN NEW; END $$;"
        " CREATE TRIGGER note_limit BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION note_limit()",
    )
    migrate(adopter)
    assert query(adopter, "SELECT milliseconds FROM limits") == [{"milliseconds": timing.MIGRATION * 1000}]


def test_what_was_entered_while_it_was_null_is_in_it_afterwards(adopter: str) -> None:
    migrate(adopter)
    query(adopter, "SELECT ledger_move('gift:1', 1, 500, 'eur', 'gift')")
    query(adopter, "ALTER TABLE users ALTER balance DROP NOT NULL")
    query(adopter, "UPDATE users SET balance = NULL WHERE id = 1")
    query(adopter, "DELETE FROM schema_migrations WHERE name LIKE 'application/0006%%'")
    assert len(migrate(adopter)) == 1
    assert balances(adopter) == {1: 500, 2: 700}


def test_triggers_of_the_application_may_be_deferred(adopter: str) -> None:
    query(
        adopter,
        "CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE CONSTRAINT TRIGGER look AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION look()",
    )
    migrate(adopter)
    assert balances(adopter) == {1: 0, 2: 700}


# Names that are taken


@pytest.mark.parametrize(
    "columns", ["version VARCHAR PRIMARY KEY", "version BIGINT PRIMARY KEY, dirty BOOLEAN NOT NULL"]
)
def test_an_application_may_have_a_table_of_its_migrations(adopter: str, columns: str) -> None:
    """As Rails, Phoenix, dbmate and golang-migrate make it."""
    query(adopter, f"CREATE TABLE schema_migrations ({columns})")
    applied = migrate(adopter)
    assert migrate(adopter) == []
    assert query(adopter, "SELECT version FROM schema_migrations") == []
    names = query(adopter, 'SELECT name FROM checkout_schema_migrations ORDER BY name COLLATE "C"')
    assert [row["name"] for row in names] == sorted(applied)


def test_a_schema_that_comes_before_ours_later_gets_no_second_ledger(adopter: str) -> None:
    """Everything would be credited again, since a new ledger knows of nothing."""
    migrate(adopter)
    name = adopter.rpartition("/")[2]
    query(adopter, f"CREATE SCHEMA app; ALTER DATABASE {name} SET search_path = app, public")
    disconnect()
    assert migrate(adopter) == []
    tables = query(adopter, "SELECT schemaname FROM pg_tables WHERE tablename IN ('users', 'ledger_entries')")
    assert tables == [{"schemaname": "public"}] * 2


def test_an_application_that_gets_a_table_of_its_migrations_later_gets_no_second_ledger(adopter: str) -> None:
    migrate(adopter)
    name = adopter.rpartition("/")[2]
    query(
        adopter,
        f"CREATE SCHEMA app; ALTER DATABASE {name} SET search_path = app, public;"
        " CREATE TABLE app.schema_migrations (version VARCHAR PRIMARY KEY)",
    )
    disconnect()
    assert migrate(adopter) == []


def test_an_application_may_give_its_table_of_migrations_up(adopter: str) -> None:
    query(adopter, "CREATE TABLE schema_migrations (version VARCHAR PRIMARY KEY)")
    migrate(adopter)
    query(adopter, "DROP TABLE schema_migrations")
    assert migrate(adopter) == []


def test_a_schema_may_have_capital_letters(adopter: str) -> None:
    name = adopter.rpartition("/")[2]
    query(adopter, f'CREATE SCHEMA "The Shop"; ALTER DATABASE {name} SET search_path = "The Shop"')
    disconnect()

    assert migrate(adopter)
    query(adopter, "INSERT INTO users (id) VALUES (1)")
    assert query(adopter, "SELECT ledger_move('gift:1', 1, 5, 'eur', 'gift')") == [{"ledger_move": True}]


# A table or a view of the application's own


UUID_ACCOUNTS = (
    "CREATE TABLE accounts (uuid UUID PRIMARY KEY, name TEXT, coins INTEGER NOT NULL DEFAULT 0);"
    " CREATE VIEW users AS SELECT uuid AS id, coins AS balance FROM accounts"
)
ONE = "0e9cbb2a-7f4d-4c6f-9a51-2f0f4ab1f5d7"

REFUSED = {
    "a view of two tables": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL); CREATE TABLE b (id BIGINT);"
        " CREATE VIEW users AS SELECT a.id, a.balance FROM a JOIN b USING (id)",
        "cannot update automatically",
    ),
    "an expression": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, coins BIGINT NOT NULL);"
        " CREATE VIEW users AS SELECT id, COALESCE(coins, 0) AS balance FROM a",
        "must have a column balance that is a plain column",
    ),
    "an id that is an expression": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);"
        " CREATE VIEW users AS SELECT id + 0 AS id, balance FROM a",
        "must have a column id that is a plain column",
    ),
    "members of one organisation": (
        "bigint",
        "CREATE TABLE members (org_id BIGINT NOT NULL, person TEXT, coins BIGINT NOT NULL);"
        " CREATE VIEW users AS SELECT org_id AS id, coins AS balance FROM members",
        "not both UNIQUE and NOT NULL",
    ),
    "members of organisations that another table has": (
        "bigint",
        "CREATE TABLE orgs (id BIGINT PRIMARY KEY);"
        " CREATE TABLE members (org_id BIGINT NOT NULL, person TEXT, coins BIGINT NOT NULL);"
        " CREATE VIEW users AS SELECT org_id AS id, coins AS balance FROM members"
        " WHERE org_id IN (SELECT id FROM orgs)",
        "not both UNIQUE and NOT NULL",
    ),
    "unique among themselves, but not with those of an heir": (
        "bigint",
        "CREATE TABLE users (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL DEFAULT 0);"
        " CREATE TABLE staff (room TEXT) INHERITS (users)",
        "not both UNIQUE and NOT NULL",
    ),
    "unique among the living": (
        "bigint",
        "CREATE TABLE users (id BIGINT NOT NULL, is_gone BOOLEAN, balance BIGINT NOT NULL DEFAULT 0);"
        " CREATE UNIQUE INDEX ON users (id) WHERE NOT is_gone",
        "not both UNIQUE and NOT NULL",
    ),
    "unique with another column": (
        "bigint",
        "CREATE TABLE users (id BIGINT NOT NULL, tenant INT NOT NULL, PRIMARY KEY (id, tenant))",
        "not both UNIQUE and NOT NULL",
    ),
    "an id that may be NULL": (
        "bigint",
        "CREATE TABLE users (id BIGINT UNIQUE)",
        "not both UNIQUE and NOT NULL",
    ),
    "a balance in euros": (
        "bigint",
        "CREATE TABLE users (id BIGINT PRIMARY KEY, balance NUMERIC NOT NULL)",
        "has a balance of type numeric: it must be INTEGER or BIGINT",
    ),
    "a balance that may be NULL, in a view": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, balance BIGINT);"
        " CREATE VIEW users AS SELECT id, balance FROM a",
        "has a balance that may be NULL",
    ),
    "a view without a balance": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY); CREATE VIEW users AS SELECT id FROM a",
        "must have a column balance",
    ),
    "a balance that may be NULL, under the name of another column": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, coins BIGINT NOT NULL DEFAULT 0, bonus BIGINT);"
        " CREATE VIEW users AS SELECT id, coins AS balance, bonus FROM a;"
        " ALTER VIEW users RENAME COLUMN balance TO coins; ALTER VIEW users RENAME COLUMN bonus TO balance",
        "has a balance that may be NULL",
    ),
    "a balance that PostgreSQL computes": (
        "bigint",
        "CREATE TABLE users (id BIGINT PRIMARY KEY, euros BIGINT NOT NULL DEFAULT 0,"
        " balance BIGINT NOT NULL GENERATED ALWAYS AS (euros * 100) STORED)",
        "must have a column balance that is a plain column",
    ),
    "a trigger in the place of the update": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL DEFAULT 0);"
        " CREATE VIEW inner_users AS SELECT id, balance FROM a;"
        " CREATE VIEW users AS SELECT id, balance FROM inner_users;"
        " CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER keep INSTEAD OF UPDATE ON inner_users FOR EACH ROW EXECUTE FUNCTION keep()",
        "trigger INSTEAD OF UPDATE",
    ),
    "a table without an id": (
        "bigint",
        "CREATE TABLE users (number BIGINT PRIMARY KEY)",
        "must have a column id",
    ),
    "another type": (
        "bigint",
        "CREATE TABLE users (id UUID PRIMARY KEY)",
        "has an id of type uuid, and USER_ID_TYPE is bigint",
    ),
    "numbers for texts": (
        "text",
        "CREATE TABLE users (id BIGINT PRIMARY KEY)",
        "has an id of type bigint, and USER_ID_TYPE is text",
    ),
    "padded texts": (
        "text",
        "CREATE TABLE users (id CHAR(36) PRIMARY KEY)",
        "has an id of type character",
    ),
    "a domain": (
        "text",
        "CREATE DOMAIN user_id AS TEXT; CREATE TABLE users (id user_id PRIMARY KEY)",
        "has an id of type user_id",
    ),
    "a collation for which two texts are one": (
        "text",
        # A build without ICU cannot make one.
        "CREATE COLLATION loose (provider = libc, locale = 'C');"
        " UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose';"
        " CREATE TABLE users (id TEXT COLLATE loose PRIMARY KEY)",
        "collation is not deterministic",
    ),
    "a copy": (
        "bigint",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, balance BIGINT NOT NULL);"
        " CREATE MATERIALIZED VIEW users AS SELECT id, balance FROM a",
        "neither a table nor a view",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_lose_or_double_money_is_refused_with_nothing_changed(adopter: str, name: str) -> None:
    kind, made, why = REFUSED[name]
    query(adopter, f"DROP TABLE users; {made}")

    with pytest.raises(ConfigurationError, match=why) as raised:
        migrate(adopter, kind)

    assert "DATABASE_URL" in raised.value.detail
    assert query(adopter, "SELECT to_regclass('ledger_entries') AS made") == [{"made": None}]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("bigint", "CREATE TABLE users (id SMALLINT PRIMARY KEY)"),
        ("bigint", "CREATE TABLE users (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL DEFAULT 0)"),
        ("uuid", "CREATE TABLE users (id UUID PRIMARY KEY)"),
        ("text", "CREATE TABLE users (id VARCHAR(36) PRIMARY KEY)"),
        ("text", 'CREATE TABLE users (id TEXT COLLATE "C" NOT NULL UNIQUE)'),
        ("text", 'CREATE TABLE users (id TEXT COLLATE "POSIX" PRIMARY KEY)'),
        ("uuid", UUID_ACCOUNTS),
        (
            "uuid",
            "CREATE TABLE plans (id TEXT, balance NUMERIC); CREATE TABLE accounts (uuid UUID PRIMARY KEY,"
            " plan TEXT, coins INTEGER NOT NULL DEFAULT 0);"
            " CREATE VIEW users AS SELECT uuid AS id, coins AS balance,"
            "   (SELECT balance FROM plans WHERE id = plan LIMIT 1) AS included"
            " FROM accounts WHERE plan IS NULL OR plan IN (SELECT id FROM plans)",
        ),
        (
            "uuid",
            UUID_ACCOUNTS.replace("VIEW users", "VIEW inner_users")
            + " WHERE coins >= 0; CREATE VIEW users AS SELECT balance, id FROM inner_users",
        ),
        (
            "uuid",
            'CREATE TABLE accounts (uuid UUID PRIMARY KEY, "the {coins}" INTEGER NOT NULL DEFAULT 0);'
            ' CREATE VIEW users AS SELECT uuid, "the {coins}" FROM accounts;'
            " ALTER VIEW users RENAME COLUMN uuid TO id;"
            ' ALTER VIEW users RENAME COLUMN "the {coins}" TO balance',
        ),
    ],
)
def test_a_table_or_view_that_can_be_moved_is_taken(adopter: str, kind: str, made: str) -> None:
    query(adopter, f"DROP TABLE users; {made}")
    migrate(adopter, kind)
    user = {"bigint": "7", "uuid": ONE, "text": "auth0|x"}[kind]
    [place] = query(adopter, "SELECT relkind::text AS kind FROM pg_class WHERE oid = 'users'::regclass")
    table, column = ("users", "id") if place["kind"] == "r" else ("accounts", "uuid")
    query(adopter, f"INSERT INTO {table} ({column}) VALUES (%s)", (user,))

    query(adopter, "SELECT ledger_move('gift:1', %s, 5, 'eur', 'gift')", (user,))
    with pytest.raises(errors.ForeignKeyViolation):
        query(adopter, "SELECT ledger_move('gift:2', %s, 5, 'eur', 'gift')", (user[:-1] + "8",))

    assert query(adopter, "SELECT balance FROM users") == [{"balance": 5}]
    refers = query(
        adopter, "SELECT 1 FROM pg_constraint WHERE confrelid = 'users'::regclass AND contype = 'f'"
    )
    assert len(refers) == (1 if place["kind"] == "r" else 0)
    assert migrate(adopter, kind) == []
    other = "bigint" if kind != "bigint" else "uuid"
    with pytest.raises(ConfigurationError, match=f"USER_ID_TYPE is {other}"):
        migrate(adopter, other)


def test_the_parts_of_a_table_are_no_heirs(adopter: str) -> None:
    query(
        adopter,
        "DROP TABLE users; CREATE TABLE users (id BIGINT PRIMARY KEY) PARTITION BY RANGE (id);"
        " CREATE TABLE first_users PARTITION OF users FOR VALUES FROM (1) TO (1000)",
    )
    migrate(adopter)
    query(adopter, "INSERT INTO users (id) VALUES (7)")
    query(adopter, "SELECT ledger_move('gift:1', 7, 5, 'eur', 'gift')")
    assert balances(adopter) == {7: 5}


def test_migrate_says_that_the_rows_of_a_view_are_not_guarded(
    adopter: str, caplog: pytest.LogCaptureFixture
) -> None:
    query(adopter, f"DROP TABLE users; {UUID_ACCOUNTS}")
    migrate(adopter, "uuid")
    assert "whoever has entries must not be deleted" in caplog.text


def test_a_balance_that_becomes_nullable_later_is_refused(adopter: str) -> None:
    migrate(adopter)
    query(adopter, "ALTER TABLE users ALTER balance DROP NOT NULL")
    with pytest.raises(ConfigurationError, match="has a balance that may be NULL"):
        migrate(adopter)


@pytest.mark.parametrize(
    ("table", "database", "remedy"),
    [
        ("outbox", "CHECKOUT_DATABASE_URL", "give checkout a database of its own"),
        ("ledger_entries", "DATABASE_URL", "rename yours"),
        ("parked_events", "DATABASE_URL", "rename yours"),
    ],
)
def test_a_table_of_the_application_that_has_a_name_of_ours_is_named(
    adopter: str, table: str, database: str, remedy: str
) -> None:
    query(adopter, f"CREATE TABLE {table} (id BIGINT)")

    with pytest.raises(ConfigurationError, match=f"^{database} has {table} already, .*: {remedy}"):
        migrate(adopter)


def test_a_table_of_that_name_in_another_schema_does_no_harm(adopter: str) -> None:
    query(adopter, "CREATE SCHEMA shop")
    query(adopter, "CREATE TABLE shop.outbox (id BIGINT)")

    assert migrate(adopter)
