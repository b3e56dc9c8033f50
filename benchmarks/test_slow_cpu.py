"""The webhook as on AWS, by memory size: TLS and IAM to Kafka and PostgreSQL, its key from Secrets Manager.

make benchmark; needs Apache Kafka (Java and Maven)
"""

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit
from uuid import uuid4

import certifi
import pytest

import checkout
from benchmarks import slow_cpu
from checkout.base.postgres import Database
from checkout.release.migrate import Migrate
from local.stack.postgres import Postgres
from tests.support import fake_aws, lambda_events, stripe_events
from tests.support.functions import environment, query
from tests.support.secure_kafka import Secure, unsecured
from tests.support.tls import Authority, PostgresOverTls

ROOT = Path(__file__).parents[1]
PROCESSES, EVENTS = 3, 200
ROOTS = Path(checkout.__file__).parent / "certificates" / "aws-roots.pem"
BEGUN = (
    "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status,"
    " stripe_session_id) VALUES (%s, 1, 500, 'eur', 'balance_topup', 'session_created', %s)"
)
STRIPES = {"STRIPE_SECRET": "sk_test_tests", "STRIPE_WEBHOOK_SECRET": stripe_events.WEBHOOK_SECRET}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The checkout database's URL, and the function's environment."""
    folder = tmp_path_factory.mktemp("aws")
    authority = Authority(folder, "aws")
    certificate = authority.issue("127.0.0.1")
    trusted = folder / "roots.pem"  # As many as the function reads on AWS.
    trusted.write_text(ROOTS.read_text() + authority.root.read_text())
    public = folder / "public.pem"
    public.write_text(Path(certifi.where()).read_text() + authority.root.read_text())
    server = Postgres(folder / "postgres")
    server.start()
    database = Database(server.url)
    Migrate(database, database, "benchmark")()
    where = urlsplit(server.url())
    over_tls = PostgresOverTls(certificate, ("127.0.0.1", where.port or 5432))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    kafka = Secure(tmp_path_factory.mktemp("kafka"), token_seconds=900)
    url = f"postgresql://{where.username}@127.0.0.1:{over_tls.port}{where.path}"
    with fake_aws.serving(STRIPES, context) as port:
        yield (
            server.url(),
            {
                **environment(f"{url}?sslmode=verify-full&sslrootcert={trusted}", "", kafka.address),
                **dict.fromkeys(STRIPES, ""),
                "STRIPE_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:stripe",
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"https://127.0.0.1:{port}",
                "AWS_CA_BUNDLE": str(public),
                "AWS_DEFAULT_REGION": "eu-central-1",
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "DATABASE_AUTH": "IAM",
                "KAFKA_SECURITY": "IAM",
                "KAFKA_API_VERSION": "",
                "KAFKA_CA_FILE": str(kafka.authority.root),
                "TOKEN": unsecured(3_600),
            },
        )
    kafka.node.stop()
    over_tls.close()
    server.stop()


def cpu_times(aws: tuple[str, dict[str, str]], events: int) -> list[float]:
    """Of a fresh process: each event's CPU time in seconds."""
    database, variables = aws
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.slow_function", "stripe_webhook", str(writing)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "layers" / "common"), **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[writing],
        text=True,
    ) as process:
        assert process.stdin is not None
        os.close(writing)
        with os.fdopen(reading) as answers, process.stdin:
            assert answers.readline(), "the init phase"
            taken = []
            for _ in range(events):
                session = stripe_events.session_object(str(uuid4()))
                query(database, BEGUN, (session["metadata"]["request_id"], session["id"]))
                body = stripe_events.encoded(stripe_events.event(session, is_known=False))
                headers = {"stripe-signature": stripe_events.signature(body)}
                event = lambda_events.http("POST /webhooks/stripe", body, headers=headers)
                process.stdin.write(json.dumps(event) + "\n")
                process.stdin.flush()
                taken.append(float(json.loads(answers.readline())["cpu"]))
    assert query(database, "SELECT count(*) AS left FROM outbox")[0]["left"] == 0, "all of it is in Kafka"
    return taken


@pytest.mark.timeout(300)
def test_the_webhook_by_memory_size(aws: tuple[str, dict[str, str]]) -> None:
    """tests/infrastructure/test_memory.py holds the template to the table in docs/performance.md."""
    taken = [cpu_times(aws, EVENTS) for _ in range(PROCESSES)]
    cold = median(first for first, *_ in taken)
    often = median(quantiles(warm, n=100)[98] for _, *warm in taken)
    print(f"\nCPU on a full core: first event {1e3 * cold:.0f} ms, warm p99 {1e3 * often:.1f} ms")
    table = {size: (slow_cpu.first(cold, size), slow_cpu.warm(often, size)) for size in slow_cpu.SIZES}
    print("| memory, MB | first event after init, ms | warm p99, ms |\n|---:|---:|---:|")
    for size, (first, warm) in table.items():
        print(f"| {size:,} | {1e3 * first:,.0f} | {1e3 * warm:.0f} |")
    print(f"the cheapest that is fast enough, with a margin of {slow_cpu.MARGIN}: {slow_cpu.cheapest(table)}")
