"""UUIDs and texts as users' ids, in the whole way of the money; the types are those of the tables."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

from checkout.base.errors import ConfigurationError
from checkout.base.user_ids import KINDS, UserId, UserIds
from checkout.release import self_check
from tests.contracts import conformance
from tests.support import functions, made_up, roles
from tests.support.brokers import AnyBroker
from tests.support.functions import SERVICE_TOKEN, Functions, bearer, finished, query, requested, system
from tests.support.settings import put
from tests.support.stripe_events import event, session_object
from tests.support.stripe_simulator import Simulator
from tests.support.tail import Tail

# Each is another user's than the next one.
USERS: dict[str, tuple[str, str]] = {
    "uuid": ("0e9cbb2a-7f4d-4c6f-9a51-2f0f4ab1f5d7", "f0000000-0000-4000-8000-000000000000"),
    "text": ('auth0|Zoë "\\1', "Auth0|Zoë, {1}"),
}
WRONG: dict[str, tuple[Any, ...]] = {
    "uuid": (1, "1", "0e9cbb2a7f4d4c6f9a512f0f4ab1f5d7", "00000000-0000-0000-0000-000000000000", None),
    "text": (1, "", " x", "a\nb", "x" * 256, None),
}


@pytest.fixture(scope="module", params=["uuid", "text"])
def typed(request: pytest.FixtureRequest, databases: tuple[str, str]) -> Iterator[dict[str, str]]:
    """The settings of databases whose ids have this type."""
    kind = str(request.param)
    admin = psycopg2.connect(databases[0])
    admin.autocommit = True
    names = f"checkout_{kind}", f"application_{kind}"
    for name in names:
        admin.cursor().execute(f"CREATE DATABASE {name}")
    urls = [f"{databases[0].rpartition('/')[0]}/{name}" for name in names]
    settings = functions.environment(urls[0], urls[1], "127.0.0.1:1", USER_ID_TYPE=kind)
    with pytest.MonkeyPatch.context() as patch:
        put(patch, **settings)
        functions.forget_wiring()
        made = Functions(settings, patch)
        # Beside an index and a collation of the application's own, as beside one that we make.
        of_text = 'CREATE TABLE users (id VARCHAR COLLATE "POSIX" PRIMARY KEY, email TEXT)'
        made.application(of_text if kind == "text" else "SELECT 1")
        made.invoke("migrate", {})
        system().grant_roles()
        functions.forget_wiring()
    yield settings
    functions.disconnect()
    for name in names:
        admin.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()


@pytest.fixture
def kind(typed: dict[str, str]) -> UserIds:
    return KINDS[typed["USER_ID_TYPE"]]


@pytest.fixture
def users(kind: UserIds) -> tuple[str, str]:
    return USERS[kind.name]


@pytest.fixture
def fns(
    typed: dict[str, str],
    users: tuple[str, str],
    broker: AnyBroker,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Functions]:
    roles.enforce(monkeypatch)
    settings = {**typed, "KAFKA_BROKERS": broker.address, "STRIPE_API_BASE": simulator.url}
    put(monkeypatch, **settings)
    functions.forget_wiring()
    conformance.watch(monkeypatch)
    made_up.known_to_stripe(monkeypatch)
    made = Functions(settings, monkeypatch)
    made.empty_databases()
    for user in users:
        made.application("INSERT INTO users (id, email) VALUES (%s, 'a@example.com')", (user,))
    yield made
    functions.forget_wiring()


def operate(fns: Functions, *words: str) -> Any:
    answer = fns.invoke("operations", {"verb": words[0], "arguments": list(words[1:])})
    assert "error" not in answer, answer
    return answer["result"]


def balances(fns: Functions) -> dict[UserId, int]:
    return {row["id"]: row["balance"] for row in fns.application("SELECT id, balance FROM users")}


def test_a_payment_is_credited_and_taken_back_once(
    fns: Functions, users: tuple[str, str], broker: AnyBroker
) -> None:
    one, other = users
    tail = Tail(broker.address)
    created = fns.create({"amount_cents": 500}, bearer(one))
    assert created.status == 201, created.json
    request_id, session_id = created.json["request_id"], created.json["session_id"]
    paid = session_object(request_id, user_id=one, session_id=session_id, payment_intent="pi_1")
    unknown = session_object(str(uuid4()), user_id=other, payment_intent="pi_2")
    for _ in range(2):
        assert fns.webhook(event(paid)).status == 200
        assert fns.webhook(event(unknown)).status == 200

    records = tail.read()
    assert [record.key.decode() for record in records if record.key] == [one, other]
    for _ in range(2):
        assert fns.consume(*records) == {"batchItemFailures": []}
    assert fns.consume(
        finished(request_id, user_id=one, status="refunded", source_id="re_1", payment_intent_id="pi_1"),
        finished(request_id, user_id=one, status="disputed", source_id="txn_1", payment_intent_id="pi_1"),
    ) == {"batchItemFailures": []}

    assert balances(fns) == {one: -500, other: 500}
    assert fns.get("/checkout/balance", one).json == {
        **{"user_id": one, "balance_cents": -500, "currency": "eur"}
    }
    found = fns.get("/checkout/sessions/{request_id}", one, path={"request_id": request_id})
    assert found.json["credited"] is True
    route = "GET /checkout/sessions/{request_id}"
    assert fns.http("account", route, headers=bearer(other), path={"request_id": request_id}).status == 404
    assert len(fns.get("/checkout/transactions", one).json["transactions"]) == 1


def test_a_service_names_a_user_by_an_id_of_the_type(
    fns: Functions, kind: UserIds, users: tuple[str, str]
) -> None:
    def create(user_id: object) -> Any:
        return fns.create({"amount_cents": 500, "user_id": user_id}, {"x-service-token": SERVICE_TOKEN})

    assert create(users[0]).status == 201
    for wrong in WRONG[kind.name]:
        refused = create(wrong)
        assert (refused.status, refused.json["detail"]) == (400, f"user_id must be {kind.rule}.")
        if wrong is not None:
            assert fns.http("account", "GET /checkout/balance", headers=bearer(str(wrong))).status in (
                (401,) if kind.from_text(str(wrong)) is None else (404,)
            )


def test_a_record_with_another_id_is_parked_and_the_others_are_applied(
    fns: Functions, kind: UserIds, users: tuple[str, str]
) -> None:
    wrong = [finished(user_id=one) for one in WRONG[kind.name]]
    assert fns.consume(*wrong, finished(user_id=users[0])) == {"batchItemFailures": []}
    assert fns.ask(requested(user_id=1)) == []

    assert balances(fns)[users[0]] == 500
    parked = fns.application("SELECT reason, user_id FROM parked_events")
    assert [row["user_id"] for row in parked] == [None] * (len(wrong) + 1)
    assert {row["reason"] for row in parked} == {f"user_id must be {kind.rule}"}
    stranger = "e0000000-0000-4000-8000-000000000000"
    assert fns.consume(finished(user_id=stranger)) == {"batchItemFailures": []}
    assert fns.application("SELECT user_id FROM parked_events WHERE user_id IS NOT NULL") == [
        {"user_id": stranger}
    ]


def test_metadata_of_another_type_is_held(fns: Functions) -> None:
    assert fns.webhook(event(session_object(str(uuid4()), user_id=" "))).json["outcome"] == "held"


def test_a_request_by_kafka_is_answered_with_the_id(
    fns: Functions, users: tuple[str, str], broker: AnyBroker
) -> None:
    tail = Tail(broker.address)
    assert fns.ask(requested("r-1", user_id=users[0])) == []
    [answer] = tail.read()
    assert json.loads(answer.value)["user_id"] == users[0]
    assert json.loads(answer.value)["status"] == "session_created"
    assert answer.key == users[0].encode()


def test_operators_and_their_checks_know_the_ids(fns: Functions, users: tuple[str, str]) -> None:
    one, other = users
    fns.application("UPDATE users SET balance = 300 WHERE id = %s", (other,))
    for user in users:
        paid = session_object(str(uuid4()), user_id=user)
        fns.webhook(event(paid))
    [first, second] = fns.checkout("SELECT request_id, user_id FROM checkout_transactions ORDER BY id")
    assert operate(fns, "opening-balances", "--operator", "me", "--yes") == {"opened": 1}
    fns.consume(finished(first["request_id"], user_id=one), finished(second["request_id"], user_id=other))
    moved = operate(
        fns,
        *("adjust", "--user", one, "--amount-cents=-200", "--key", "k"),
        *("--reason", "r", "--operator", "me", "--yes"),
    )
    assert moved["balance_cents"] == 300
    fns.application("UPDATE users SET balance = 1 WHERE id = %s", (one,))
    rebuilt = operate(fns, "rebuild-balance", "--user", one, "--reason", "r", "--operator", "me", "--yes")
    assert (rebuilt["before_cents"], rebuilt["after_cents"]) == (1, 300)
    [balance] = operate(fns, "inspect", one)["balances"]
    assert balance == {"user_id": one, "balance_cents": 300, "ledger_cents": 300}
    assert balances(fns) == {one: 300, other: 800}

    fns.application("UPDATE users SET balance = 2 WHERE id = %s", (other,))
    found = {finding["name"]: finding for finding in operate(fns, "verify")["findings"]}
    assert found["BalanceDiffersFromLedger"]["count"] == 1
    assert found["PaymentNotInLedger"]["count"] == 0
    assert operate(fns, "reconcile", "--since", "2026-01-01T00:00:00Z") is not None
    assert operate(fns, "erase-user", "--user", one, "--reason", "r", "--operator", "me", "--yes") is not None


def test_an_application_moves_a_balance_by_the_id(fns: Functions, users: tuple[str, str]) -> None:
    query(fns.settings["DATABASE_URL"], "SELECT ledger_move('gift:1', %s, 5, 'eur', 'gift')", (users[1],))
    assert balances(fns) == {users[0]: 0, users[1]: 5}


def test_another_type_than_the_tables_is_refused_at_start(fns: Functions, kind: UserIds) -> None:
    fns.set(USER_ID_TYPE=None)
    functions.forget_wiring()
    with pytest.raises(ConfigurationError, match=f"USER_ID_TYPE is bigint, and .*user_id is {kind.name}"):
        fns.invoke("migrate", {})
    with pytest.raises(ConfigurationError, match="USER_ID_TYPE is bigint"):
        fns.invoke("account", self_check.EVENT)
