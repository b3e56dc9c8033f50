"""The PostgreSQL of the worlds: one server, and two migrated databases for each process that plays them."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import psycopg2

from checkout.base.postgres import Database
from checkout.release.migrate import Migrate
from local.stack.postgres import Postgres
from simulation.clock import BEGINNING
from simulation.upgraded import release_before

CHECKOUT, APPLICATION = "checkout", "application"
CHECKOUT_BEFORE, APPLICATION_BEFORE = "checkout_before", "application_before"
"""With the schema of the release before."""
RELEASE_BEFORE = "release before"
APP_ID = "world"
"""CHECKOUT_APP_ID of the stack that works in them."""

_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "search_path": "sim,public,pg_catalog",
        "sim.now": BEGINNING,
        # For speed.
        "plan_cache_mode": "force_generic_plan",
        "track_activities": "off",
        "track_counts": "off",
    }.items()
)
"""`sim` stands before the catalog, so `now()` is the world's wherever it is written, in defaults too."""

_CLOCK = """
    CREATE SCHEMA sim;
    CREATE FUNCTION sim.now() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.to_timestamp(pg_catalog.current_setting('sim.now')::float8) $$;
    CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
        AS $$ SELECT pg_catalog.to_timestamp(pg_catalog.current_setting('sim.now')::float8) $$;
"""

_RULE = """
    CREATE FUNCTION sim.judge() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        rule CONSTANT text := pg_catalog.current_setting('sim.rule', true);
    BEGIN
        IF rule = 'debt' AND NEW.balance < 0 THEN
            RAISE EXCEPTION 'no balance below 0';
        ELSIF rule = 'check' AND NEW.balance < 0 THEN
            RAISE EXCEPTION 'no balance below 0' USING ERRCODE = 'check_violation';
        ELSIF rule = 'closed' AND NEW.id = 2 THEN
            RAISE EXCEPTION 'the account is closed';
        ELSIF rule = 'outage' AND NEW.id = 2 THEN
            RAISE EXCEPTION 'try again later' USING ERRCODE = 'lock_not_available';
        ELSIF rule = 'skipped' AND NEW.id = 2 THEN
            RETURN NULL;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER rule BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION sim.judge();
"""
_ADOPTER = "CREATE TABLE sim.users (id bigint PRIMARY KEY, email text, balance bigint)"
"""The application was there before: its balances may be NULL until it is migrated."""
NO_RULE = "none"
CLOSED, CLOSED_USER = "closed", 2
RULES = ("debt", "check", CLOSED, "outage", "skipped")
"""What an application may do with a change of a balance: refuse one that falls below 0, by a trigger or as a
constraint does; refuse any of user 2, also with an error that looks like an outage, or silently skip it."""


@contextmanager
def serving(folder: Path, players: int, *, has_before: bool = False) -> Iterator[list[dict[str, str]]]:
    """For each player the URLs of its two databases, migrated and empty. With `has_before` also of two that
    the release before has migrated, and its folder as RELEASE_BEFORE; raises NoHistory if git has none."""
    server = Postgres(folder / "postgres", fsync=False, has_socket=True)
    server.start()
    try:
        _migrate(server, (CHECKOUT, APPLICATION), Database, Migrate)
        if not has_before:
            yield [_copied(server, player, (CHECKOUT, APPLICATION)) for player in range(players)]
            return
        code = folder / "before"
        release_before.prepare(code)
        release_before.make_importable(code)
        before = CHECKOUT_BEFORE, APPLICATION_BEFORE
        of_release = release_before.module
        _migrate(server, before, of_release("base.postgres").Database, of_release("release.migrate").Migrate)
        names = CHECKOUT, APPLICATION, *before
        yield [{**_copied(server, player, names), RELEASE_BEFORE: str(code)} for player in range(players)]
    finally:
        server.stop()


def connected(url: str) -> Any:
    """A connection with the clock of the worlds."""
    return psycopg2.connect(url, options=_OPTIONS)


def _migrate(server: Postgres, names: tuple[str, str], database: Any, migrate: Any) -> None:
    """By a release, of which these two classes are."""
    for name in names:
        server.create_database(name)
        with closing(connected(server.url(name))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(f"{_CLOCK};{_ADOPTER}" if name == APPLICATION else _CLOCK)
    made = [database(partial(server.url, name)) for name in names]
    for one, name in zip(made, names, strict=True):
        one._connect = partial(_connected_alone, server.url(name))
    # The release before may not know yet that a stack owns its database.
    owned = {"app_id": APP_ID} if "app_id" in signature(migrate).parameters else {}
    migrate(*made, **owned)()
    for one in made:
        one.close()
    with closing(connected(server.url(names[1]))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(_RULE)


def _copied(server: Postgres, player: int, names: Sequence[str]) -> dict[str, str]:
    urls = {}
    with closing(psycopg2.connect(server.url("postgres"))) as connection:
        connection.autocommit = True
        for name in names:
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name}_{player} TEMPLATE {name}")
            urls[name] = server.url(f"{name}_{player}")
    return urls


def _connected_alone(url: str) -> Any:
    """Each statement is a transaction, if none is begun."""
    connection = connected(url)
    connection.autocommit = True
    return connection
