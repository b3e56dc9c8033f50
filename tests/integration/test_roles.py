"""The functions' roles: made and granted by an owner without superuser rights, exactly as listed.

That each function can do its work under its role, every other integration test shows: they run under them.
"""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg2
import pytest

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import SESSION, Database
from checkout.operations.verbs.corrections import Corrections
from checkout.release import privileges
from checkout.release.migrate import Migrate
from checkout.release.roles import GrantRoles
from tests.support import functions
from tests.support.functions import Functions, query, system
from tests.support.roles import acting_as

FUNCTIONS = sorted(privileges.CHECKOUT.keys() | privileges.APPLICATION.keys())
ROLES = [privileges.role_of(function) for function in FUNCTIONS]
GRANTED = """
    SELECT grantee, table_name AS target, privilege_type AS privilege
    FROM information_schema.table_privileges WHERE grantee = ANY(%(roles)s)
    UNION ALL
    SELECT grantee, table_name, privilege_type || ' (' || column_name || ')'
    FROM information_schema.column_privileges c
    WHERE grantee = ANY(%(roles)s) AND NOT EXISTS (
        SELECT FROM information_schema.table_privileges t WHERE (t.grantee, t.table_name, t.privilege_type)
            = (c.grantee, c.table_name, c.privilege_type))
    UNION ALL
    SELECT grantee, routine_name, privilege_type
    FROM information_schema.routine_privileges WHERE grantee = ANY(%(roles)s)
"""


def granted(url: str) -> dict[str, dict[str, set[str]]]:
    """Privileges by role and table."""
    found: dict[str, dict[str, set[str]]] = {}
    for row in query(url, GRANTED, {"roles": ROLES}):
        found.setdefault(row["grantee"], {}).setdefault(row["target"], set()).add(row["privilege"])
    return found


def listed(*of: object) -> dict[str, dict[str, set[str]]]:
    wanted: dict[str, dict[str, set[str]]] = {}
    for listing in of:
        for function, grants in listing.items():  # type: ignore[attr-defined]
            tables = wanted.setdefault(privileges.role_of(function), {})
            tables |= {target: set(each_of(privileges)) for target, privileges in grants.items()}
    return wanted


def each_of(listing: str) -> Iterator[str]:
    """Of `SELECT, UPDATE (a, b)`: SELECT, UPDATE (a) and UPDATE (b)."""
    for privilege, columns in re.findall(r"(\w+)(?: \(([^)]*)\))?", listing):
        yield from (f"{privilege} ({column})" for column in columns.split(", ")) if columns else [privilege]


@pytest.fixture
def owned(databases: tuple[str, str]) -> Iterator[str]:
    """An empty database that belongs to a user who is no superuser, as the master user of RDS is none."""
    server = databases[0]
    connection = psycopg2.connect(server)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE master LOGIN CREATEROLE PASSWORD 'master'")
        # On RDS the master user has made these roles itself, and so may grant rds_iam.
        cursor.execute("CREATE ROLE rds_iam")
        cursor.execute("GRANT rds_iam TO master WITH ADMIN OPTION")
        cursor.execute(f"GRANT {', '.join(ROLES)} TO master WITH ADMIN OPTION")
        cursor.execute("CREATE DATABASE owned OWNER master")
        # Of somebody else on the same server.
        cursor.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
        cursor.execute("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    where = urlsplit(server)
    yield f"postgresql://master:master@{where.hostname}:{where.port}/owned"
    functions.disconnect()
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE owned WITH (FORCE)")
        cursor.execute(f"REVOKE {', '.join(ROLES)} FROM master")
        cursor.execute("DROP ROLE master, rds_iam, guest, stranger")
    connection.close()


def granting(url: str) -> GrantRoles:
    return GrantRoles(Database(lambda: url), Database(lambda: url))


def test_both_databases_have_exactly_what_is_listed(databases: tuple[str, str]) -> None:
    checkout, application = databases

    assert granted(checkout) == listed(privileges.CHECKOUT)
    assert granted(application) == listed(privileges.APPLICATION)


def test_an_owner_who_is_no_superuser_grants_both_in_one_database_and_takes_back_the_rest(owned: str) -> None:
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    grant = granting(owned)
    grant()
    query(owned, "GRANT DELETE ON users TO checkout_account")
    query(owned, "GRANT EXECUTE ON FUNCTION ledger_move TO checkout_account")
    query(owned, "GRANT USAGE ON SEQUENCE ledger_entries_id_seq TO checkout_account")
    grant()

    assert granted(owned) == listed(privileges.CHECKOUT, privileges.APPLICATION)
    [row] = query(
        owned, "SELECT has_sequence_privilege('checkout_account', 'ledger_entries_id_seq', 'USAGE') AS may"
    )
    assert row["may"] is False
    members = query(
        owned,
        "SELECT pg_has_role(rolname, 'rds_iam', 'MEMBER') AS signs_in_by_iam FROM pg_roles"
        " WHERE rolname = ANY(%s)",
        (ROLES,),
    )
    assert [row["signs_in_by_iam"] for row in members] == [True] * len(FUNCTIONS)


def test_spending_is_closed_again_after_a_restore_of_a_dump_without_its_grants(owned: str) -> None:
    """PostgreSQL lets everybody execute a new function, and this one has its owner's rights."""
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    query(owned, "GRANT EXECUTE ON FUNCTION ledger_move TO PUBLIC")
    query(owned, "GRANT EXECUTE ON FUNCTION ledger_move TO guest")
    granting(owned)()
    may_spend = "SELECT has_function_privilege(%s, 'ledger_move'::regproc, 'EXECUTE') AS may"
    assert query(owned, may_spend, ("stranger",)) == [{"may": False}]
    assert query(owned, may_spend, ("guest",)) == [{"may": True}], "as the application has granted it"


def test_the_checkout_database_is_closed_to_who_has_nothing_in_it(owned: str) -> None:
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    query(owned, "GRANT SELECT (id) ON users TO guest")
    for _ in range(2):
        granting(owned)()

    open_to = "SELECT has_database_privilege(%s, current_database(), %s) AS may"
    for role in ("guest", "master", *ROLES):
        for privilege in ("CONNECT", "TEMPORARY"):
            assert query(owned, open_to, (role, privilege)) == [{"may": True}]
    as_guest = owned.replace("master:master", "guest:guest")
    assert query(as_guest, "SELECT id FROM users") == []
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        psycopg2.connect(owned.replace("master:master", "stranger:stranger"))


def test_somebody_else_s_database_is_left_open_and_so_is_the_application_s_own(
    databases: tuple[str, str], owned: str
) -> None:
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    query(databases[0].rpartition("/")[0] + "/owned", "ALTER DATABASE owned OWNER TO CURRENT_USER")
    granting(owned)()
    may_connect = "SELECT has_database_privilege('stranger', current_database(), 'CONNECT') AS may"
    assert query(owned, may_connect) == [{"may": True}]
    assert query(databases[1], may_connect) == [{"may": True}]
    assert query(databases[0], may_connect) == [{"may": False}]


def test_no_role_reads_more_of_a_user_than_it_needs(databases: tuple[str, str]) -> None:
    readable = "SELECT has_column_privilege(%s, 'users', 'email', 'SELECT') AS may"
    for role in ROLES:
        assert query(databases[1], readable, (role,)) == [{"may": False}], role


def test_somebody_else_s_table_is_named(databases: tuple[str, str], owned: str) -> None:
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    query(databases[0].rpartition("/")[0] + "/owned", "ALTER TABLE users OWNER TO CURRENT_USER")

    with pytest.raises(ConfigurationError, match="users"):
        granting(owned)()


def test_an_owner_who_may_not_make_roles_is_told_what_it_needs(
    databases: tuple[str, str], owned: str
) -> None:
    query(databases[0], "ALTER ROLE master NOCREATEROLE")

    with pytest.raises(ConfigurationError, match="CREATEROLE"):
        granting(owned)()


@pytest.mark.parametrize(
    "path", ["app", "ours, app"], ids=["in one schema", "users in another schema than our tables"]
)
def test_a_role_reaches_tables_in_a_schema_that_is_closed_to_others(
    databases: tuple[str, str], owned: str, path: str
) -> None:
    """PostgreSQL opens only the schema public to everybody."""
    query(owned, "CREATE SCHEMA app; CREATE SCHEMA ours; CREATE TABLE app.users (id BIGINT PRIMARY KEY)")
    query(owned, f"ALTER DATABASE owned SET search_path = {path}")
    functions.disconnect()
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    for _ in range(2):
        granting(owned)()
    as_account = f"{databases[0].rpartition('/')[0]}/owned?options=-c%20role%3Dcheckout_account"
    assert query(as_account, "SELECT id FROM users") == query(as_account, "SELECT FROM ledger_entries") == []
    query(owned, "INSERT INTO app.users (id) VALUES (1)")
    query(owned, "SELECT ledger_move('gift:1', 1, 5, 'eur', 'gift')")
    assert query(as_account, "SELECT balance FROM users") == [{"balance": 5}]


def test_who_may_not_open_the_schema_is_told_so(databases: tuple[str, str], owned: str) -> None:
    query(owned, "CREATE SCHEMA app; ALTER DATABASE owned SET search_path = app")
    functions.disconnect()
    Migrate(Database(lambda: owned), Database(lambda: owned), "tests")()
    as_superuser = databases[0].rpartition("/")[0] + "/owned"
    query(as_superuser, "ALTER SCHEMA app OWNER TO CURRENT_USER; GRANT USAGE ON SCHEMA app TO master")

    with pytest.raises(ConfigurationError, match="schema app"):
        granting(owned)()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_has_the_timeouts_of_every_session(databases: tuple[str, str], function: str) -> None:
    [row] = query(
        databases[0],
        "SELECT rolconfig, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles"
        " WHERE rolname = %s",
        (privileges.role_of(function),),
    )

    assert row.pop("rolconfig") == [f"{name}={value}" for name, value in SESSION.items()]
    assert row.pop("rolcanlogin") is True
    assert set(row.values()) == {False}


def test_what_a_role_may_not_do_fails_in_these_tests(fns: Functions) -> None:
    with acting_as("account"), pytest.raises(Exception, match="not available"):
        Corrections(system()).adjust(key="k", user_id=1, amount_cents=1, reason="r", operator="o")


def test_no_role_may_change_a_ledger_entry_or_the_schema(databases: tuple[str, str]) -> None:
    for grants in (*privileges.CHECKOUT.values(), *privileges.APPLICATION.values()):
        assert not {"UPDATE", "DELETE"} & set(grants.get("ledger_entries", "").split(", "))
    for role in ROLES:
        [row] = query(databases[0], "SELECT has_schema_privilege(%s, 'public', 'CREATE') AS may", (role,))
        assert row["may"] is False


def test_the_names_of_the_roles() -> None:
    assert privileges.role_of("account") == "checkout_account"
    assert privileges.role_of("checkout_finished_consumer") == "checkout_finished_consumer"
