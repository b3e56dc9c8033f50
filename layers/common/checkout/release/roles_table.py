"""SQL of the functions' roles and what they may do. Whoever runs it owns the tables and may create roles."""

from collections.abc import Collection

import psycopg2.errors
from psycopg2 import sql

from checkout.base.errors import ConfigurationError
from checkout.base.postgres import SESSION, Transaction
from checkout.release.privileges import FUNCTIONS, Grants

IAM_ROLE = "rds_iam"
"""Who has it signs in by IAM, and by nothing else. RDS has it, other PostgreSQL has not."""


def begin(tx: Transaction) -> None:
    """Waits for a parallel run."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('checkout roles', 0))")


def ensure(tx: Transaction, role: str) -> None:
    """A role that can sign in and do nothing, with the settings of every session of ours.

    Raises ConfigurationError if we may not make it or change it.
    """
    try:
        _ensure(tx, role)
    except psycopg2.errors.InsufficientPrivilege as error:
        raise ConfigurationError(
            f"The master user may not make the role {role}: give it CREATEROLE, and the role to it WITH ADMIN"
            " OPTION where somebody else made it."
        ) from error


def _ensure(tx: Transaction, role: str) -> None:
    name = sql.Identifier(role)
    if not _exists(tx, role):
        tx.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    for setting, value in SESSION.items():
        tx.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
        )
    if _exists(tx, IAM_ROLE):
        tx.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(IAM_ROLE), name))


def grant(tx: Transaction, role: str, grants: Grants, targets: Collection[str], of_sequences: str) -> None:
    """Exactly these among `targets`: what an earlier release granted on the others is taken back.
    `of_sequences` is what goes with the right to insert.

    Raises ConfigurationError if a table is somebody else's.
    """
    for target in sorted(targets):
        privileges = grants.get(target)
        try:
            _grant(tx, sql.Identifier(role), target, privileges, of_sequences)
        except psycopg2.errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"The master user may not decide who uses {target}: make that user its owner."
            ) from error


def open_schemas(tx: Transaction, role: str, targets: Collection[str]) -> None:
    """Let the role use the schemas of these tables: PostgreSQL opens only `public` to everybody.

    Raises ConfigurationError if the master user may not grant that.
    """
    tx.execute(
        "SELECT DISTINCT nspname AS name FROM unnest(%s::text[]) AS target"
        " JOIN pg_class ON pg_class.oid = to_regclass(target)"
        " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
        " WHERE NOT has_schema_privilege(%s, pg_namespace.oid, 'USAGE')",
        (list(targets), role),
    )
    for schema in [row["name"] for row in tx.fetchall()]:
        names = {"schema": sql.Identifier(schema), "role": sql.Identifier(role)}
        tx.execute(sql.SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**names))
        # PostgreSQL only warns a user who may not grant it.
        tx.execute("SELECT has_schema_privilege(%s, %s, 'USAGE') AS may", (role, schema))
        if not tx.row()["may"]:
            raise ConfigurationError(
                f"The master user may not decide who uses the schema {schema}: make that user its owner."
            )


def close_database(tx: Transaction) -> bool:
    """Take from PUBLIC what PostgreSQL gives it in every database: to connect, and to make temporary tables.

    Roles that own or were granted anything in this one keep both: ours, and those of an application that
    shares it. False if the database is somebody else's, who alone may do this.
    """
    tx.execute(
        "SELECT current_database() AS name, pg_has_role(datdba, 'USAGE') AS is_ours"
        " FROM pg_database WHERE datname = current_database()"
    )
    [database] = tx.fetchall()
    if not database["is_ours"]:
        return False
    tx.execute(
        "SELECT DISTINCT rolname AS name FROM pg_shdepend JOIN pg_roles ON pg_roles.oid = refobjid"
        " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "   AND refclassid = 'pg_authid'::regclass AND NOT rolsuper ORDER BY rolname"
    )
    names = [row["name"] for row in tx.fetchall()]
    for name in names:
        tx.execute(
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(
                sql.Identifier(database["name"]), sql.Identifier(name)
            )
        )
    tx.execute(
        sql.SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(
            sql.Identifier(database["name"])
        )
    )
    return True


def _grant(
    tx: Transaction, role: sql.Identifier, target: str, privileges: str | None, of_sequences: str
) -> None:
    is_function = target in FUNCTIONS
    names = {
        "role": role,
        "kind": sql.SQL("FUNCTION" if is_function else "TABLE"),
        "target": sql.Identifier(target),
    }
    if is_function:
        # As after a restore of a dump without its grants, which opens it to everybody.
        tx.execute(sql.SQL("REVOKE ALL ON {kind} {target} FROM PUBLIC").format(**names))
    tx.execute(sql.SQL("REVOKE ALL ON {kind} {target} FROM {role}").format(**names))
    if privileges is not None:
        tx.execute(
            sql.SQL("GRANT {privileges} ON {kind} {target} TO {role}").format(
                privileges=sql.SQL(privileges), **names
            )
        )
    for sequence in [] if is_function else _sequences(tx, target):
        named = {"sequence": sql.Identifier(sequence), "role": role, "privileges": sql.SQL(of_sequences)}
        tx.execute(sql.SQL("REVOKE ALL ON SEQUENCE {sequence} FROM {role}").format(**named))
        if "INSERT" in (privileges or ""):
            tx.execute(sql.SQL("GRANT {privileges} ON SEQUENCE {sequence} TO {role}").format(**named))


def _sequences(tx: Transaction, table: str) -> list[str]:
    """Those that a table's columns take their values from."""
    tx.execute(
        "SELECT relname AS name FROM pg_class JOIN pg_depend ON objid = pg_class.oid"
        " WHERE refobjid = %s::regclass AND relkind = 'S'",
        (table,),
    )
    return [row["name"] for row in tx.fetchall()]


def _exists(tx: Transaction, role: str) -> bool:
    tx.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
    return tx.fetchone() is not None
