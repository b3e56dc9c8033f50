"""`stack.json` is all that a stranger needs: HTTP, SQL, Kafka and Stripe clients given nothing else."""

import json
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
import psutil  # type: ignore[import-untyped]
import psycopg2
import pytest
import requests
import stripe
from confluent_kafka import Consumer
from kafka import KafkaConsumer, TopicPartition

from tests.support.running_stack import RunningStack
from tests.support.waiting import eventually

KEYS = {
    *("api_url", "balance_page_url", "stripe_api_url", "checkout_database_url", "database_url"),
    *("kafka_brokers", "kafka_api_version", "jwt_secret", "service_token", "stripe_secret"),
    *("stripe_webhook_secret", "checkout_app_id", "demo_user_id", "demo_token", "console_url", "pid"),
    *("kafka_topic_prefix", "user_id_type", "settings"),
}
SECONDS = 30.0
AMOUNT = 500


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of the file; everything after it is for whoever reads it."""
    with RunningStack(tmp_path_factory.mktemp("strangers") / "project") as stack:
        yield stack.stack_file


@pytest.fixture(scope="module")
def found(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


@pytest.fixture(scope="module")
def purchase(found: dict[str, Any]) -> dict[str, Any]:
    """The session resource of a purchase that is credited."""
    api, bearer = found["api_url"], {"Authorization": f"Bearer {found['demo_token']}"}
    body: Any = {"amount_cents": AMOUNT, "currency": "eur", "request_id": str(uuid4())}
    made = requests.post(f"{api}/checkout/sessions", json=body, headers=bearer, timeout=SECONDS)
    assert made.status_code == 201
    session = made.json()
    requests.post(session["url"], data={"card_number": "4242424242424242"}, timeout=SECONDS)

    def now() -> dict[str, Any]:
        url = f"{api}/checkout/sessions/{session['request_id']}"
        resource: dict[str, Any] = requests.get(url, headers=bearer, timeout=SECONDS).json()
        return resource

    eventually(lambda: now()["credited"] is True, SECONDS, now)
    return now() | {"session_id": session["session_id"]}


def test_the_file(path: Path, found: dict[str, Any]) -> None:
    assert found.keys() == KEYS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert psutil.pid_exists(found["pid"])


def test_an_http_client(found: dict[str, Any], purchase: dict[str, Any]) -> None:
    bearer = {"Authorization": f"Bearer {found['demo_token']}"}
    balance = requests.get(f"{found['api_url']}/checkout/balance", headers=bearer, timeout=SECONDS).json()
    assert (balance["user_id"], balance["balance_cents"]) == (found["demo_user_id"], AMOUNT)
    assert requests.get(found["balance_page_url"], timeout=SECONDS).status_code == 200


def test_a_token_of_one_s_own(found: dict[str, Any], purchase: dict[str, Any]) -> None:
    claims = {"sub": str(found["demo_user_id"]), "exp": int(time.time()) + 60}
    token = jwt.encode(claims, found["jwt_secret"], "HS256")
    url = f"{found['api_url']}/checkout/sessions/{purchase['request_id']}"
    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS)
    assert (answer.status_code, answer.json()["credited"]) == (200, True)


def test_a_service(found: dict[str, Any]) -> None:
    body = {"amount_cents": AMOUNT, "user_id": found["demo_user_id"]}
    headers = {"X-Service-Token": found["service_token"]}
    url = f"{found['api_url']}/checkout/sessions"
    assert requests.post(url, json=body, headers=headers, timeout=SECONDS).status_code == 201


@pytest.mark.parametrize("program", ["psycopg2", "psql"])
def test_sql(found: dict[str, Any], purchase: dict[str, Any], program: str) -> None:
    request_id = purchase["request_id"]
    transaction = f"SELECT status FROM checkout_transactions WHERE request_id = '{request_id}'"
    entry = f"SELECT amount_cents FROM ledger_entries WHERE request_id = '{request_id}'"
    ask = by_psql if program == "psql" else by_psycopg2
    assert ask(found["checkout_database_url"], transaction) == "payment_succeeded"
    assert ask(found["database_url"], entry) == str(AMOUNT)


def by_psycopg2(url: str, sql: str) -> str:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute(sql)
        [[value]] = cursor.fetchall()
    connection.close()
    return str(value)


def by_psql(url: str, sql: str) -> str:
    if shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    return subprocess.run(
        ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, url],
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    ).stdout.strip()


def test_librdkafka(found: dict[str, Any], purchase: dict[str, Any]) -> None:
    consumer = Consumer(
        {
            "bootstrap.servers": found["kafka_brokers"],
            "group.id": f"stranger-{uuid4()}",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
        }
    )
    consumer.subscribe(["checkout.finished"])
    message = consumer.poll(SECONDS)
    assert message is not None
    assert message.error() is None
    check_event(message.key(), message.value(), found, purchase)
    consumer.close()


def test_kafka_python(found: dict[str, Any], purchase: dict[str, Any]) -> None:
    consumer = KafkaConsumer(
        bootstrap_servers=found["kafka_brokers"],
        api_version=tuple(map(int, found["kafka_api_version"].split("."))),
        auto_offset_reset="earliest",
        consumer_timeout_ms=SECONDS * 1000,
    )
    partitions = consumer.partitions_for_topic("checkout.finished")
    consumer.assign([TopicPartition("checkout.finished", partition) for partition in partitions])
    record = next(consumer)
    check_event(record.key, record.value, found, purchase)
    consumer.close()


def check_event(key: object, value: object, found: dict[str, Any], purchase: dict[str, Any]) -> None:
    assert key == str(found["demo_user_id"]).encode()
    assert isinstance(value, bytes)
    event = json.loads(value)
    expected = {
        "request_id": purchase["request_id"],
        "user_id": found["demo_user_id"],
        "amount_cents": AMOUNT,
        "currency": "eur",
        "status": "success",
        "session_id": purchase["session_id"],
    }
    assert event | expected == event


def test_stripe_s_own_client(found: dict[str, Any], purchase: dict[str, Any]) -> None:
    client = stripe.StripeClient(found["stripe_secret"], base_addresses={"api": found["stripe_api_url"]})
    events = client.v1.events.list({"type": "checkout.session.completed"}).data
    [metadata] = [
        event.data.object["metadata"] for event in events if event.data.object["id"] == purchase["session_id"]
    ]
    assert metadata["checkout_app"] == found["checkout_app_id"]
    assert metadata["request_id"] == purchase["request_id"]


def test_a_webhook_signed_by_the_stranger(found: dict[str, Any]) -> None:
    event = {"id": f"evt_{uuid4().hex}", "object": "event", "type": "customer.created", "livemode": False}
    body = json.dumps({**event, "data": {"object": {"id": "cus_1", "object": "customer"}}})
    header = stripe.WebhookSignature.generate_signature_header(body, found["stripe_webhook_secret"])
    url = f"{found['api_url']}/webhooks/stripe"
    answer = requests.post(url, body, headers={"Stripe-Signature": str(header)}, timeout=SECONDS)
    assert answer.status_code == 200


def test_nothing_is_left_of_a_stopped_stack(tmp_path: Path) -> None:
    with RunningStack(tmp_path / "project") as stack:
        found = stack.description
    assert not stack.stack_file.exists()
    assert not psutil.pid_exists(found["pid"])
    for key in ("api_url", "stripe_api_url", "database_url", "kafka_brokers"):
        address = urlsplit(found[key] if "//" in found[key] else f"//{found[key]}")
        with socket.socket() as probe:
            assert probe.connect_ex((address.hostname, address.port)) != 0, key
