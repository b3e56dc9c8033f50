"""A first payment of a user in an application's own table, reached through a view.

    .venv/bin/python -m examples.own_table

starts a database server for the application, with a table of accounts whose ids are UUIDs, and prints the
settings for `make run` in another terminal. When that stack is there, the application's user pays, and the
application spends a part of it in a transaction of its own.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jwt
import psycopg2

from checkout.base import terminal
from examples.stack import awaited
from local import demo
from local.stack.description import Description
from local.stack.postgres import Postgres

USER = "0e9cbb2a-7f4d-4c6f-9a51-2f0f4ab1f5d7"
TABLE = """
    CREATE TABLE accounts (uuid UUID PRIMARY KEY, name TEXT NOT NULL, coins BIGINT NOT NULL DEFAULT 0);
    CREATE VIEW users AS SELECT uuid AS id, coins AS balance FROM accounts;
    INSERT INTO accounts (uuid, name) VALUES (%s, 'Ada')
"""


def prepare(server: Postgres) -> dict[str, str]:
    """Make the application's database, and the checkout's. Returns the settings for the stack."""
    for name in ("checkout", "application"):
        server.create_database(name)
    execute(server.url("application"), TABLE, USER)
    return {
        "CHECKOUT_DATABASE_URL": server.url("checkout"),
        "DATABASE_URL": server.url("application"),
        "USER_ID_TYPE": "uuid",
    }


def purchase(stack: Description, say: Callable[[str], None]) -> None:
    """Make one whole purchase as the application's user, and spend 200 of it."""
    claims = {"sub": USER, "exp": int(time.time()) + 600}
    token = jwt.encode(claims, stack.jwt_secret or "", "HS256")
    demo.purchase(replace(stack, demo_user_id=USER, demo_token=token), say)
    execute(stack.database_url, "SELECT ledger_move('order:1', %s, -200, 'eur', 'order')", USER)
    [(coins,)] = execute(stack.database_url, "SELECT coins FROM accounts WHERE uuid = %s", USER)
    say(f"  the application spent 200, and its table has {coins}")


def execute(url: str, sql: str, *parameters: str) -> list[Any]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def main() -> int:
    with TemporaryDirectory() as folder:
        server = Postgres(Path(folder) / "postgres")
        server.start()
        try:
            given = " ".join(f"{name}={value}" for name, value in prepare(server).items())
            terminal.say(f"The application's database is there. In another terminal:\n\n  {given} make run\n")
            purchase(awaited(), terminal.say)
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
