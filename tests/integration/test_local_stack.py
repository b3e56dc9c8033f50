"""The whole stack, started as a program in its own folder and on its own ports."""

import json
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import psycopg2
import pytest
import requests
from confluent_kafka import Consumer
from kafka import KafkaProducer

from local.kafka import TOPICS, topics
from local.kafka.embedded import Broker
from local.processes import free_port
from local.stack.postgres import Postgres
from tests.support.brokers import committed
from tests.support.project import STOP_SECONDS, Project, alive, child, children
from tests.support.topic import Topic
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

KEYS = {
    "api_url",
    "balance_page_url",
    "stripe_api_url",
    "checkout_database_url",
    "database_url",
    "kafka_brokers",
    "jwt_secret",
    "service_token",
    "stripe_webhook_secret",
    "user_id_type",
    "demo_user_id",
    "demo_token",
    "console_url",
    "pid",
    "stripe_secret",
    "checkout_app_id",
    "kafka_api_version",
    "kafka_topic_prefix",
    "settings",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("stack") / "project")


@pytest.fixture(scope="module")
def stack(project: Project) -> Iterator["subprocess.Popen[bytes]"]:
    with project.running() as process:
        yield process


def test_the_file_serves_a_stranger(stack: "subprocess.Popen[bytes]", project: Project) -> None:
    found = project.found
    assert set(found) == KEYS
    assert found["pid"] == stack.pid
    assert found["api_url"] == f"http://127.0.0.1:{project.environment['PORT']}"
    assert stat.S_IMODE((project.folder / ".local" / "stack.json").stat().st_mode) == 0o600

    assert project.get("/health").status_code == 200
    assert requests.get(found["balance_page_url"], timeout=20).status_code == 200
    for url, table in (
        (found["checkout_database_url"], "checkout_transactions"),
        (found["database_url"], "ledger_entries"),
    ):
        connection = psycopg2.connect(url)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
        connection.close()
    version = tuple(map(int, found["kafka_api_version"].split(".")))
    producer = KafkaProducer(bootstrap_servers=found["kafka_brokers"], api_version=version)
    assert producer.partitions_for("checkout.requests") == {0, 1, 2}
    producer.close()
    claims = jwt.decode(found["demo_token"], found["jwt_secret"], algorithms=["HS256"])
    assert claims["sub"] == str(found["demo_user_id"])
    assert claims["exp"] - time.time() > 24 * 3600


def test_the_checkout_database_is_not_the_application_s(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    found = project.found
    connection = psycopg2.connect(found["checkout_database_url"])
    with connection, connection.cursor() as cursor, pytest.raises(psycopg2.errors.UndefinedTable):
        cursor.execute("SELECT count(*) FROM ledger_entries")
    connection.close()


def test_every_secret_is_printed_once_and_before_it_is_ready(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    found = project.found
    printed = project.log
    before_ready, _, _ = printed.partition("ready; Ctrl-C")

    for key in ("jwt_secret", "service_token", "stripe_secret", "stripe_webhook_secret", "demo_token"):
        assert (printed.count(found[key]), before_ready.count(found[key])) == (1, 1), key
    password = found["checkout_database_url"].split(":")[2].split("@")[0]
    assert printed.count(password) == 1
    for key in ("api_url", "balance_page_url", "stripe_api_url", "kafka_brokers"):
        assert found[key] in before_ready


def test_nothing_but_the_summary_is_in_the_processes_arguments(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    found = project.found
    arguments = " ".join(part for one in children(stack) for part in one.cmdline())

    for key in ("jwt_secret", "service_token", "stripe_secret", "stripe_webhook_secret"):
        assert found[key] not in arguments


def test_demo_uses_the_running_stack(stack: "subprocess.Popen[bytes]", project: Project) -> None:
    done = project.command("demo")

    assert "Using the stack that runs" in done.stdout
    for step in ("session", "paid", "webhook answered", "produced", "consumed", "credited"):
        assert f"ms  {step}" in done.stdout
    assert "balance" in done.stdout
    assert stack.poll() is None


def test_log_lines_carry_the_request_id(stack: "subprocess.Popen[bytes]", project: Project) -> None:
    project.command("demo")

    lines = project.log.splitlines()
    (created, *_) = [line for line in reversed(lines) if " create_session " in line]
    request_id = created.split()[-1]
    sources = {line.split()[1] for line in lines if request_id in line}
    assert {"create_session", "stripe", "stripe_webhook", "checkout.finished"} <= sources


def test_invoke_answers_and_fails_by_its_exit_status(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    event = {
        "version": "2.0",
        "routeKey": "GET /checkout/balance",
        "rawPath": "/checkout/balance",
        "rawQueryString": "",
        "headers": {"authorization": "Bearer ${demo_token}"},
        "requestContext": {"http": {"method": "GET", "path": "/checkout/balance"}},
        "isBase64Encoded": False,
    }

    answered = project.command("invoke", "account", "-e", "-", given=json.dumps(event))
    failed = project.command("invoke", "checkout_finished_consumer", "-e", "-", given="{}", check=False)

    response = json.loads(answered.stdout)
    assert response["statusCode"] == 200
    assert json.loads(response["body"])["user_id"] in (1, "1")
    assert failed.returncode == 1
    assert "errorType" in json.loads(failed.stdout)
    assert project.command("invoke", "nobody", "-e", "-", given="{}", check=False).returncode == 1


def test_operations_have_the_settings_of_the_stack_and_not_of_their_terminal(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    project.command(
        *("operations", "adjust", "--key", "goodwill", "--user", "1", "--amount-cents", "5"),
        *("--reason", "test", "--yes"),
        BALANCE_CURRENCY="jpy",
        FOUR_EYES_CENTS="1",
    )

    connection = psycopg2.connect(project.found["database_url"])
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT currency FROM ledger_entries WHERE amount_cents = 5")
        assert cursor.fetchall() == [("eur",)]
    connection.close()


def test_a_webhook_event_is_signed_when_it_is_invoked(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    body = json.dumps(
        {
            "id": "evt_invoked",
            "object": "event",
            "type": "customer.created",
            "livemode": False,
            "created": 1,
            "data": {"object": {"id": "cus_1", "object": "customer"}},
        }
    )
    event = {
        "version": "2.0",
        "routeKey": "POST /webhooks/stripe",
        "rawPath": "/webhooks/stripe",
        "rawQueryString": "",
        "headers": {"stripe-signature": "placeholder", "content-type": "application/json"},
        "requestContext": {"http": {"method": "POST", "path": "/webhooks/stripe"}},
        "body": body,
        "isBase64Encoded": False,
    }

    answered = project.command("invoke", "stripe_webhook", "-e", "-", given=json.dumps(event))
    header = project.command("sign", "-", given=json.dumps(event)).stdout.strip()
    signed = json.loads(project.command("sign", "-", "--event", given=json.dumps(event)).stdout)
    event["headers"] = {"stripe-signature": f"t=1,v1={'0' * 64}"}
    forged = project.command("invoke", "stripe_webhook", "-e", "-", given=json.dumps(event))

    assert json.loads(answered.stdout)["statusCode"] == 200
    assert header.startswith("t=")
    assert signed["headers"]["stripe-signature"].startswith("t=")
    assert json.loads(forged.stdout)["statusCode"] == 400


def test_a_second_start_in_the_folder_says_who_runs(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    done = project.command("run", check=False, PORT=str(free_port()))

    assert done.returncode == 1
    assert f"already runs in {project.folder} (process {stack.pid}" in done.stderr
    assert project.get("/health").status_code == 200


@pytest.mark.parametrize(("name", "other"), [("PORT", "STRIPE_PORT"), ("STRIPE_PORT", "PORT")])
def test_a_taken_port_is_named_with_what_to_do(
    stack: "subprocess.Popen[bytes]", project: Project, tmp_path: Path, name: str, other: str
) -> None:
    second = Project(tmp_path / "second")
    taken = project.environment["PORT"]

    done = second.command("run", check=False, **{name: taken, other: str(free_port())})

    assert done.returncode == 1
    assert f"port {taken} is taken" in done.stderr
    assert f"{name}=" in done.stderr


def test_a_live_key_is_refused(project: Project) -> None:
    done = project.command("run", check=False, STRIPE_SECRET="sk_live_abc")

    assert done.returncode == 1
    assert "live key" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("PostgreSQL", ("bin/postgres",)),
        ("Kafka broker", ("local.kafka.embedded",)),
        ("Stripe simulator", ("stripe_simulator",)),
    ],
)
def test_a_killed_child_is_reported_and_comes_back(
    stack: "subprocess.Popen[bytes]", project: Project, name: str, words: tuple[str, ...]
) -> None:
    victim = child(stack, *words)
    already = project.log.count(f"{name} is back")

    victim.kill()

    eventually(lambda: project.log.count(f"{name} is back") > already)
    assert f"{name} has ended (signal 9)" in project.log
    project.command("demo")


def test_a_killed_environment_is_reported_and_comes_back(
    stack: "subprocess.Popen[bytes]", project: Project
) -> None:
    assert project.get("/checkout/balance").status_code == 200
    victim = child(stack, "runtime.py", "functions/account")

    victim.kill()

    eventually(lambda: "an idle environment ended (signal 9)" in project.log)
    assert project.get("/checkout/balance").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything(tmp_path: Path, number: signal.Signals) -> None:
    project = Project(tmp_path / "project")
    process = project.launch()
    project.wait_for(process)
    project.get("/checkout/balance")
    started = children(process)
    assert len(started) >= 4

    process.send_signal(number)

    assert process.wait(STOP_SECONDS) == 0
    assert project.written is None
    assert not alive(started)


def test_it_stops_tidily_when_nobody_reads_its_output_any_more(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    process = project.launch(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(STOP_SECONDS) == 0
    assert process.stderr.read() == b""
    process.stderr.close()
    assert project.written is None


def test_a_signal_while_it_starts_stops_everything(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    process = project.launch()
    eventually(lambda: len(children(process)) >= 3)
    started = children(process)

    process.send_signal(signal.SIGINT)

    assert process.wait(STOP_SECONDS) == 0
    assert not alive(started)
    assert "Traceback" not in project.log
    assert "ready; Ctrl-C" not in project.log


def test_after_a_sigkill_the_children_end_and_the_next_start_has_all_the_data(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    process = project.launch()
    project.wait_for(process)
    project.command("demo")
    before = project.found
    started = children(process)

    process.kill()
    process.wait()

    eventually(lambda: not alive(started))
    with project.running():
        after = project.found
        assert after["jwt_secret"] == before["jwt_secret"]
        assert project.get("/checkout/balance").json()["balance_cents"] == 500
        headers = {"Authorization": f"Bearer {before['demo_token']}"}
        answer = requests.get(after["api_url"] + "/checkout/balance", headers=headers, timeout=20)
        assert answer.status_code == 200


def test_demo_starts_a_stack_of_its_own_and_stops_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    begun = time.monotonic()

    done = project.command("demo")

    assert time.monotonic() - begun < 60
    assert "starting one" in done.stdout
    assert "balance  0 + 500 = 500\n" in done.stdout
    assert project.written is None
    assert socket.socket().connect_ex(("127.0.0.1", int(project.environment["PORT"]))) != 0


def test_everything_external_is_used_and_nothing_of_it_started(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    server, broker = Postgres(tmp_path / "postgres", fsync=False), Broker(TOPICS)
    server.start()
    broker.start()
    project.environment |= {
        "CHECKOUT_DATABASE_URL": server.url(),
        "KAFKA_BROKERS": broker.address,
        "KAFKA_API_VERSION": "2.3",
        "CHECKOUT_APP_ID": "mine",
    }
    with project.running() as process:
        found = project.found
        assert found["checkout_database_url"] == found["database_url"] == server.url()
        assert (found["kafka_brokers"], found["kafka_api_version"]) == (broker.address, "2.3")
        assert found["checkout_app_id"] == "mine"
        commands = " ".join(part for one in children(process) for part in one.cmdline())
        assert "bin/postgres" not in commands
        assert "local.kafka.embedded" not in commands
        project.command("demo")
    broker.stop()
    server.stop()


def test_a_stack_with_a_prefix_leaves_the_topics_and_groups_of_another_alone(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    broker = Broker({**TOPICS, **topics("other.")})
    broker.start()
    project.environment |= {
        "KAFKA_BROKERS": broker.address,
        "KAFKA_API_VERSION": "2.3",
        "KAFKA_TOPIC_PREFIX": "other.",
    }
    with project.running():
        assert "credited" in project.command("demo").stdout
        eventually(lambda: is_read(broker, "other."), 30)
    assert not is_read(broker, "")
    assert Topic(broker.address).records() == []
    broker.stop()


def is_read(broker: Broker, prefix: str) -> bool:
    """True if the group that credits has committed anything of its topic."""
    group = prefix + "checkout-finished-consumer"
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": group, "log_level": 2})
    try:
        return any(offset > 0 for offset in committed(consumer, f"{prefix}checkout.finished", 3))
    finally:
        consumer.close()


def test_settings_of_the_env_file_are_heeded(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    (project.folder / ".env").write_text(
        "CHECKOUT_APP_ID=from-the-file\nBALANCE_CURRENCY=huf # whose least amount is above the demo's\n"
        "PRICES_ONLY='true'\nPRICES='[{\"amount_cents\": 20000, \"credit_cents\": 21000}]'\n"
    )

    with project.running():
        assert "balance  0 + 21000 = 21000\n" in project.command("demo").stdout
        assert project.found["checkout_app_id"] == "from-the-file"
        assert "is paid, and not credited" in project.command("trouble", "waiting-refund").stdout


def test_two_clones_run_side_by_side(
    stack: "subprocess.Popen[bytes]", project: Project, tmp_path: Path
) -> None:
    other = Project(tmp_path / "other")

    with other.running():
        other.command("demo")

        assert other.get("/checkout/balance").json()["balance_cents"] == 500
        assert project.get("/health").status_code == 200
