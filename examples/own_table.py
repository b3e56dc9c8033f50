"""A first payment of a user with a UUID, in an application that has a table of its own.

    make shop

starts the application's database and prints the settings for `make run` in another terminal. When that stack
is there, the application (`examples/shop.py`) is served, and a customer signs up there, tops up, and buys
something.
"""

import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import psycopg2
import requests

from checkout.base import terminal
from examples.serving import serving
from examples.shop import TABLES, shop
from examples.stack import awaited
from local import demo
from local.stack.description import Description
from local.stack.postgres import Postgres

PORT = 9991
SECONDS = 30


def prepare(server: Postgres) -> dict[str, str]:
    """Make the application's database, and the checkout's. Returns the settings for the stack."""
    for name in ("checkout", "application"):
        server.create_database(name)
    connection = psycopg2.connect(server.url("application"))
    with connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
    connection.close()
    return {
        "CHECKOUT_DATABASE_URL": server.url("checkout"),
        "DATABASE_URL": server.url("application"),
        "USER_ID_TYPE": "uuid",
    }


def purchase(stack: Description, shop_url: str, say: Callable[[str], None]) -> None:
    """Sign up at the shop, top up by 500, and buy a sticker for 200 of it. Raises demo.DemoError."""
    customer = _asked("POST", f"{shop_url}/accounts", json={"name": "Ada"})
    say(f"  Ada has signed up at the shop as {customer['user_id']}.")
    demo.purchase(replace(stack, demo_user_id=customer["user_id"], demo_token=customer["token"]), say)
    signed_in = {"authorization": f"Bearer {customer['token']}"}
    order = {"id": str(uuid4()), "item": "sticker"}
    for _ in range(2):
        # The second time as after a lost answer: it is the same order, and is paid once.
        _asked("POST", f"{shop_url}/orders", headers=signed_in, json=order)
    left = _asked("GET", f"{shop_url}/account", headers=signed_in)["coins"]
    say(f"  Ada has bought a sticker for 200, and has {left} left.")
    say(f"  Her Balance page: {customer['balance_page']}")


def _asked(method: str, url: str, **options: Any) -> Mapping[str, Any]:
    answer = requests.request(method, url, timeout=SECONDS, **options)
    answer.raise_for_status()
    found: Mapping[str, Any] = answer.json()
    return found


def main() -> int:
    # Ctrl-C ends it, whatever it waits for.
    with suppress(KeyboardInterrupt), TemporaryDirectory() as folder:
        server = Postgres(Path(folder) / "postgres")
        server.start()
        try:
            given = prepare(server)
            line = " ".join(f"{name}={value}" for name, value in given.items())
            terminal.say(f"The shop's database is there. In another terminal:\n\n  {line} make run\n")
            stack = awaited(given, terminal.say)
            app = shop(stack.database_url, stack.api_url, stack.jwt_secret or "")
            with serving(app, PORT) as shop_url:
                purchase(stack, shop_url, terminal.say)
                terminal.say(
                    f"The shop is at {shop_url}/docs. End `make run` first, and then this by Ctrl-C."
                )
                signal.pause()
        finally:
            server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
