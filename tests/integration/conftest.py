"""Real PostgreSQL and a broker over TCP, once a test run; databases of their own for every test."""

from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest

from local.broker import Broker
from local.postgres import Postgres
from tests.support import functions
from tests.support.functions import Functions


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Two migrated databases stand in it as templates."""
    server = Postgres(tmp_path_factory.mktemp("postgres") / "data", fsync=False)
    server.start()
    for name in ("checkout_template", "application_template"):
        server.create_database(name)
    with pytest.MonkeyPatch.context() as patch:
        settings = functions.environment(
            server.url("checkout_template"), server.url("application_template"), "127.0.0.1:1"
        )
        patch_environment(patch, settings)
        Functions(settings).invoke("migrate", {})
        functions.forget_wiring()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    running = Broker({"checkout.requests": 3, "checkout.finished": 3})
    running.start()
    yield running
    running.stop()


@pytest.fixture
def databases(postgres: Postgres) -> Iterator[tuple[str, str]]:
    """URLs of a fresh checkout database and a fresh application database."""
    names = [f"{kind}_{uuid4().hex}" for kind in ("checkout", "application")]
    for name in names:
        query_outside(postgres, f"CREATE DATABASE {name} TEMPLATE {name.partition('_')[0]}_template")
    yield postgres.url(names[0]), postgres.url(names[1])
    functions.forget_wiring()
    for name in names:
        query_outside(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def query_outside(postgres: Postgres, sql: str) -> None:
    """Statements that no transaction may hold."""
    import psycopg2

    connection = psycopg2.connect(postgres.url("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(sql)
    connection.close()


def patch_environment(patch: pytest.MonkeyPatch, settings: Mapping[str, str]) -> None:
    for name, value in {
        "POWERTOOLS_SERVICE_NAME": "checkout",
        "POWERTOOLS_METRICS_NAMESPACE": "Checkout",
        "POWERTOOLS_DEV": "false",
        **settings,
    }.items():
        patch.setenv(name, value)


@pytest.fixture
def fns(databases: tuple[str, str], broker: Broker, monkeypatch: pytest.MonkeyPatch) -> Functions:
    """The functions, with user 1 and no money."""
    settings = functions.environment(*databases, broker.address)
    patch_environment(monkeypatch, settings)
    functions.forget_wiring()
    made = Functions(settings)
    made.add_users(1)
    return made
