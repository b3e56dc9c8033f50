"""The functions in this process, with their handlers and with databases of their own."""

import importlib.util
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import psycopg2
import pytest
from psycopg2.extras import RealDictCursor

import checkout.system
from checkout.base.config import Config
from checkout.outbox.record import Record
from checkout.system import System
from tests.contracts import conformance
from tests.support import lambda_events, stripe_events
from tests.support.brokers import IS_APACHE
from tests.support.roles import acting_as
from tests.support.settings import put

ROOT = Path(__file__).parents[2]
JWT_SECRET = "a-secret-of-the-tests-with-32-bytes-or-more"
SERVICE_TOKEN = "service-token-of-the-tests"


Handler = Callable[[dict[str, Any], Any], Any]

_wiring = threading.RLock()
_overrides: dict[str, Any] = {}
_systems: list[System] = []
_handlers: dict[str, Handler] = {}


def handler(function: str) -> Handler:
    """`functions/<function>/app.py`'s handler, wired by `system`."""
    with _wiring:
        if function not in _handlers:
            _handlers[function] = _loaded(function)
        return _handlers[function]


def _loaded(function: str) -> Handler:
    """The files share one module name, so each gets its own."""
    name = f"functions_{function}_app"
    spec = importlib.util.spec_from_file_location(name, ROOT / "functions" / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkout.system, "System", lambda _config: system())
        spec.loader.exec_module(module)
    found: Handler = module.handler
    return found


def system() -> System:
    """The one behind every handler of this process, until `forget_wiring`."""
    with _wiring:
        if not _systems:
            _systems.append(System(Config(os.environ), **_overrides))
        return _systems[0]


def override(patch: pytest.MonkeyPatch, **attributes: Any) -> None:
    """Every system of this test has these instead of its own, from now on."""
    for name, value in attributes.items():
        patch.setitem(_overrides, name, value)
    forget_wiring()


def forget_wiring() -> None:
    """The next event finds a fresh execution environment."""
    with _wiring:
        while _systems:
            _systems.pop().close()
        _handlers.clear()


def environment(checkout_url: str, application_url: str, brokers: str, **more: str) -> dict[str, str]:
    """What the functions read."""
    return {
        "CHECKOUT_DATABASE_URL": checkout_url,
        "DATABASE_URL": application_url,
        "KAFKA_BROKERS": brokers,
        "KAFKA_API_VERSION": "" if IS_APACHE else "2.3",
        "STRIPE_SECRET": "sk_test_tests",
        "STRIPE_WEBHOOK_SECRET": stripe_events.WEBHOOK_SECRET,
        "JWT_SECRET": JWT_SECRET,
        "CHECKOUT_SERVICE_TOKEN": SERVICE_TOKEN,
        "CHECKOUT_APP_ID": stripe_events.APP_ID,
        "PUBLIC_ORIGIN": "https://pay.example.com",
        **more,
    }


def token(user_id: int | str = 1, **claims: Any) -> str:
    """Valid for ten minutes. The whole run of the tests can take longer."""
    assert "PYTEST_CURRENT_TEST" in os.environ, "make the token within a test: it expires"
    content = {"sub": str(user_id), "exp": int(time.time()) + 600, **claims}
    return jwt.encode(
        {name: value for name, value in content.items() if value is not None}, JWT_SECRET, "HS256"
    )


def bearer(user_id: int | str = 1) -> dict[str, str]:
    return {"authorization": f"Bearer {token(user_id)}"}


class Answer:
    """A handler's HTTP response."""

    def __init__(self, response: Mapping[str, Any]) -> None:
        self.status: int = response["statusCode"]
        self.headers: Mapping[str, str] = response["headers"]
        self.json: Any = json.loads(response["body"])


class Functions:
    """Call handlers, look into the databases."""

    def __init__(self, settings: dict[str, str], patch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self._patch = patch

    def set(self, **settings: str | None) -> ExitStack:
        """As `put`, for the functions; what they have constructed by then stays until `forget_wiring`."""
        return put(self._patch, **settings)

    def invoke(self, function: str, event: dict[str, Any], **context: Any) -> Any:
        with acting_as(function):
            answer = handler(function)(event, lambda_events.LambdaContext(**context))
        if "routeKey" in event:
            conformance.check_answer(event["routeKey"], answer)
        return answer

    def http(self, function: str, route: str, body: bytes | None = None, **event: Any) -> Answer:
        return Answer(self.invoke(function, lambda_events.http(route, body, **event)))

    def create(self, fields: Any, headers: Mapping[str, str] | None = None, **event: Any) -> Answer:
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        given = {"content-type": "application/json", **(bearer() if headers is None else headers)}
        return self.http("create_session", "POST /checkout/sessions", body, headers=given, **event)

    def get(self, route: str, user_id: int | str = 1, **event: Any) -> Answer:
        return self.http("account", f"GET {route}", headers=bearer(user_id), **event)

    def webhook(self, event: dict[str, Any] | bytes, signature: str | None = "", **more: Any) -> Answer:
        body = event if isinstance(event, bytes) else stripe_events.encoded(event)
        header = stripe_events.signature(body) if signature == "" else signature
        headers = {"stripe-signature": header} if header is not None else {}
        return self.http("stripe_webhook", "POST /webhooks/stripe", body, headers=headers, **more)

    def consume(self, *records: Record | bytes | Mapping[str, Any]) -> Any:
        """Bare values stand for records of partition 0 at rising offsets."""
        return self.invoke("checkout_finished_consumer", lambda_events.msk(list(_as_records(records))))

    def ask(self, *records: Record | bytes | Mapping[str, Any], **context: Any) -> list[tuple[int, int]]:
        """Records of checkout.requests; (partition, offset) of those that must come again."""
        batch = lambda_events.msk(list(_as_records(records, "checkout.requests")))
        failures = self.invoke("checkout_requests_consumer", batch, **context)["batchItemFailures"]
        identifiers = [failure["itemIdentifier"] for failure in failures]
        return [
            (int(one["partition"].removeprefix("checkout.requests-")), one["offset"]) for one in identifiers
        ]

    def empty_databases(self) -> None:
        # As a replica the triggers of ledger and journal are silent: they refuse this to everybody else.
        self.checkout(
            "SET LOCAL session_replication_role = replica;"
            " TRUNCATE checkout_transactions, stripe_events, reversals, discarded_reversals, outbox,"
            " reconciler_state, stripe_balance_transactions, verify_findings, operator_journal,"
            " discarded_effects, requested_refunds, operator_requests"
        )
        self.application(
            "SET LOCAL session_replication_role = replica;"
            " TRUNCATE users, ledger_entries, parked_events, operator_journal"
        )

    def add_users(self, *user_ids: int, balance: int = 0) -> None:
        for user_id in user_ids:
            self.application(
                "INSERT INTO users (id, email, balance) VALUES (%s, %s, %s)",
                (user_id, f"user{user_id}@example.com", balance),
            )

    def balance(self, user_id: int = 1) -> int:
        return int(self.application("SELECT balance FROM users WHERE id = %s", (user_id,))[0]["balance"])

    def row(self, request_id: str) -> dict[str, Any]:
        [row] = self.checkout("SELECT * FROM checkout_transactions WHERE request_id = %s", (request_id,))
        return row

    def checkout(self, sql: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
        return query(self.settings["CHECKOUT_DATABASE_URL"], sql, parameters)

    def application(self, sql: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
        return query(self.settings["DATABASE_URL"], sql, parameters)


def query(url: str, sql: str, parameters: Iterable[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
    """In a transaction of its own. Connections are kept: to connect takes far longer than to ask."""
    connections: dict[str, Any] = vars(_OF_THIS_THREAD)
    for _ in range(2):
        if url not in connections or connections[url].closed:
            connections[url] = psycopg2.connect(url, cursor_factory=RealDictCursor)
        try:
            with connections[url] as connection, connection.cursor() as cursor:
                cursor.execute(sql, parameters if isinstance(parameters, Mapping) else tuple(parameters))
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        except psycopg2.OperationalError:
            if not connections[url].closed:
                raise
    raise AssertionError("the database ends every connection")


_OF_THIS_THREAD = threading.local()


def disconnect() -> None:
    """Close what `query` keeps open, so that a database can go."""
    connections: dict[str, Any] = vars(_OF_THIS_THREAD)
    for url in list(connections):
        connections.pop(url).close()


@contextmanager
def another_database(url: str, name: str) -> Iterator[str]:
    """The URL of an empty database next to this one; it is gone afterwards."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
        yield f"{url.rpartition('/')[0]}/{name}"
        disconnect()
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def finished(request_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A CheckoutFinishedEvent of 500 cents for user 1."""
    return {
        "request_id": str(uuid4()) if request_id is None else request_id,
        "user_id": 1,
        "amount_cents": 500,
        "currency": "eur",
        "purpose": "balance_topup",
        "status": "success",
        "timestamp": "2026-11-23T12:00:00Z",
        **fields,
    }


def requested(request_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A CheckoutRequestEvent of 500 cents for user 1."""
    return {
        "request_id": str(uuid4()) if request_id is None else request_id,
        "user_id": 1,
        "amount_cents": 500,
        "currency": "eur",
        "purpose": "balance_topup",
        "timestamp": "2026-11-23T12:00:00Z",
        "success_url": None,
        "cancel_url": None,
        **fields,
    }


def _as_records(
    values: Iterable[Record | bytes | Mapping[str, Any]], topic: str = "checkout.finished"
) -> Iterable[Record]:
    for offset, value in enumerate(values):
        if isinstance(value, Record):
            yield value
        else:
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            yield Record(topic, 0, offset, b"1", content)
