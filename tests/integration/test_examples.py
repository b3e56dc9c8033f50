"""The walk-throughs of docs/adopting.md, each beside a stack that its settings started."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from fastapi import FastAPI

from checkout.base.postgres import Database
from checkout.base.user_ids import KINDS
from checkout.release.migrate import Migrate
from examples import identity_provider, own_table, sign_in
from examples.serving import serving
from examples.shop import shop
from examples.stack import awaited
from local.stack import demo_user, description, settings
from local.stack.description import Description
from local.stack.postgres import Postgres
from tests.support.functions import query
from tests.support.postgres import new_postgres
from tests.support.running_stack import RunningStack

ROOT = Path(__file__).parents[2]
SECONDS = 60
KEY = "the shop's own key, of 32 bytes or more"


@pytest.mark.parametrize("module", ["own_table", "sign_in"])
def test_a_walk_through_starts_as_the_docs_say(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import examples.{module}"],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", sign_in.SHAPES)
def test_a_user_of_a_provider_pays(tmp_path: Path, name: str) -> None:
    shape, said = sign_in.SHAPES[name], list[str]()
    with identity_provider.serving() as provider:
        provider.add_key("one")
        with RunningStack(tmp_path / "project", **sign_in.settings(provider, shape)) as stack:
            found = Description(**stack.description)
            assert (found.jwt_secret, found.demo_token) == (None, None)
            sign_in.purchase(found, provider, shape, said.append)
    assert "balance  0 + 500 = 500" in said[-1]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    started = new_postgres(tmp_path / "postgres")
    started.start()
    yield started
    started.stop()


def test_a_user_in_a_table_of_the_application_pays(tmp_path: Path, server: Postgres) -> None:
    """Within a minute from the start of the stack."""
    said, given = list[str](), own_table.prepare(server)
    begun = time.monotonic()
    with RunningStack(tmp_path / "project", **given) as stack:
        found = Description(**stack.description)
        with serving(shop(found.database_url, found.api_url, found.jwt_secret or "")) as url:
            own_table.purchase(found, url, said.append)
            assert time.monotonic() - begun < SECONDS
    assert any("balance  0 + 500 = 500" in line for line in said)
    assert any(line.endswith("has 300 left.") for line in said)


def test_a_port_that_is_taken_is_named() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(SystemExit, match=f"port {other.getsockname()[1]} is taken by another program"),
        serving(FastAPI(), other.getsockname()[1]),
    ):
        pass


def test_a_stack_with_other_settings_is_not_used(tmp_path: Path) -> None:
    """It does not know the shop's users: the first sign-up ended in a traceback."""
    told, given = settings.load(tmp_path, {}), {"DATABASE_URL": "postgresql://the/shop's"}
    data, said = told.data, list[str]()

    def stack(url: str) -> Description:
        return demo_user.describe(told, told.variables("postgresql://a/b", url, "c:1"), "http://console")

    def say(line: str) -> None:
        said.append(line)
        stack(given["DATABASE_URL"]).write(data)

    with description.locked(data):
        stack("postgresql://a/b").write(data)
        found = awaited(given, say, data)

    assert found.database_url == given["DATABASE_URL"]
    assert said == [
        "The stack that runs here has other settings: end it (Ctrl-C), and start it by that line."
    ]


def called(method: str, url: str, **options: Any) -> requests.Response:
    return requests.request(method, url, timeout=SECONDS, **options)


def test_the_shop_sells_only_what_its_customer_can_pay(server: Postgres) -> None:
    """The order and its payment, or neither; and the same order once."""
    own_table.prepare(server)
    database = server.url("application")
    with closing(Database(lambda: database, user_ids=KINDS["uuid"])) as migrated:
        Migrate(migrated, migrated, "tests")()
    with serving(shop(database, "http://checkout", KEY)) as url:
        ada, eve = (called("POST", f"{url}/accounts", json={"name": name}).json() for name in ("Ada", "Eve"))
        query(database, "SELECT ledger_move('gift:1', %s, 300, 'eur', 'gift')", (ada["user_id"],))

        def buy(customer: dict[str, str], order_id: str, item: str) -> int:
            headers = {"authorization": f"Bearer {customer['token']}"}
            body = {"id": order_id, "item": item}
            return called("POST", f"{url}/orders", headers=headers, json=body).status_code

        first, second = str(uuid4()), str(uuid4())
        assert [buy(ada, first, "sticker"), buy(ada, first, "sticker")] == [200, 200]
        assert buy(eve, first, "sticker") == 409
        assert buy(ada, second, "poster") == 402
        assert buy(ada, second, "nothing") == 404
        assert buy({"token": "forged"}, second, "sticker") == 401
        account = called("GET", f"{url}/account", headers={"authorization": f"Bearer {ada['token']}"})
        assert account.json() == {"name": "Ada", "coins": 100}
    assert query(database, "SELECT id::text FROM orders") == [{"id": first}]
