"""The life of a stack in an emulator of CloudFormation: made, updated, failing and going back, deleted.

The real `migrate` is the custom resource, with a real PostgreSQL. emulator.py says what is not real.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg2
import pytest
from botocore.exceptions import ClientError

from checkout.outbox import finished_event, request_event
from checkout.release import privileges
from local.kafka.embedded import Broker
from local.stack.postgres import Postgres
from tests.infrastructure import emulator
from tests.infrastructure.emulator import Emulator, Stack, recorded_calls
from tests.infrastructure.transformed import REGION, Template
from tests.support.postgres import new_postgres

A, B, C = "a" * 64, "b" * 64, "c" * 64
GONE = f"arn:aws:secretsmanager:{REGION}:000000000000:secret:gone"

pytestmark = pytest.mark.timeout(240)


class Account(NamedTuple):
    """An emulator with what the stack does not make: a database and its master secret, and brokers."""

    emulator: Emulator
    postgres: Postgres
    broker: Broker
    master_secret: str
    folder: Path

    def stack(self, name: str) -> Stack:
        given = {
            "VpcId": "vpc-1",
            "SubnetIds": "subnet-1,subnet-2,subnet-3",
            "SecurityGroupIds": "sg-1,sg-1,sg-1",
            "KafkaClusterArn": f"arn:aws:kafka:{REGION}:000000000000:cluster/own/1",
            "DatabaseHost": "db.example.com",
            "DatabaseResourceId": "cluster-X",
            "DatabaseMasterSecretArn": self.master_secret,
            "CheckoutAppId": "checkout",  # Each takes over the database of the one before.
        }
        return Stack(self.emulator, name, given)

    def template(self, release: str, recorded: str) -> Template:
        url = f"postgresql://127.0.0.1:{self.postgres.port}/checkout"
        return emulator.application(release, url, self.broker.address, self.folder / recorded)

    def calls(self, recorded: str) -> list[tuple[str, dict[str, str]]]:
        return recorded_calls(self.folder / recorded)

    def secret(self, name: str) -> dict[str, str]:
        """Raises ClientError if it is gone."""
        client = self.emulator.client("secretsmanager")
        content: dict[str, str] = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
        return content

    def rows(self, statement: str) -> set[Any]:
        connection = psycopg2.connect(self.postgres.url("checkout"))
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return {row[0] for row in cursor.fetchall()}
        finally:
            connection.close()


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("emulator")
    postgres = new_postgres(folder / "postgres")
    broker = Broker({request_event.TOPIC: 1, finished_event.TOPIC: 1})
    try:
        postgres.start()
        broker.start()
        with Emulator(folder) as running:
            user = urlsplit(postgres.url())
            master = {"username": user.username, "password": user.password}
            made = running.client("secretsmanager").create_secret(
                Name="master", SecretString=json.dumps(master)
            )
            yield Account(running, postgres, broker, made["ARN"], folder)
    finally:
        broker.stop()
        postgres.stop()


def test_a_stack_is_made_updated_taken_back_and_deleted(account: Account) -> None:
    stack = account.stack("checkout")

    assert stack.create(account.template(A, "calls"), Release=A) == "CREATE_COMPLETE"
    assert stack.live() == {A}
    assert stack.environment("StripeWebhookFunction")["KAFKA_BROKERS"] == account.broker.address
    tables = account.rows("SELECT relname FROM pg_class WHERE relkind = 'r'")
    assert {"checkout_transactions", "stripe_events", "outbox"} <= tables
    roles = {privileges.role_of(name) for name in privileges.CHECKOUT.keys() | privileges.APPLICATION.keys()}
    assert roles <= account.rows("SELECT rolname FROM pg_roles")
    secret = stack.outputs()["SecretArn"]
    generated = account.secret(secret)
    assert {name: len(value) for name, value in generated.items()} == {
        "JWT_SECRET": 64,
        "CHECKOUT_SERVICE_TOKEN": 64,
    }

    assert stack.update(account.template(B, "calls"), Release=B) == "UPDATE_COMPLETE"
    assert stack.live() == {B}

    # Its master secret cannot be read, so `Setup` fails.
    failing = {"Release": C, "DatabaseMasterSecretArn": GONE}
    assert stack.update(account.template(C, "calls"), **failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.live() == {B}
    [reason] = [reason for status, reason in stack.events("Setup") if status == "UPDATE_FAILED"]
    assert "Secrets Manager refuses: ResourceNotFoundException. See /aws/lambda/checkout-Migrate" in reason

    with pytest.raises(ClientError, match="CertificateArn needs PublicOrigin"):
        stack.update(
            account.template(B, "calls"), Release=B, CertificateArn=f"arn:aws:acm:{REGION}:1:certificate/1"
        )

    assert stack.delete() == "DELETE_COMPLETE"
    assert account.secret(secret) == generated, "generated once, and kept"
    assert account.rows("SELECT relname FROM pg_class WHERE relkind = 'r'") == tables
    calls = account.calls("calls")
    assert [(kind, properties["Release"]) for kind, properties in calls] == [
        ("Create", A),
        ("Update", B),
        ("Update", C),
        ("Update", B),
        ("Delete", B),
    ]
    assert calls[3] == calls[1], "taken back with the properties of before"


STRIPES = {"STRIPE_SECRET": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_" + "w" * 32}


def with_one_secret(template: Template) -> Template:
    """As an earlier release had it: with Stripe's values in the secret that all functions read."""
    text = json.dumps(template, default=str).replace('{"Ref": "StripeSecret"}', '{"Ref": "Secret"}')
    made: Template = json.loads(text)
    del made["Resources"]["StripeSecret"]
    del made["Outputs"]["StripeSecretArn"]
    return made


def test_an_upgrade_finds_stripe_s_values_and_a_failed_one_leaves_them(account: Account) -> None:
    stack = account.stack("upgraded")
    assert stack.create(with_one_secret(account.template(A, "upgrade")), Release=A) == "CREATE_COMPLETE"
    secret = stack.outputs()["SecretArn"]
    before = account.secret(secret) | STRIPES
    account.emulator.client("secretsmanager").put_secret_value(
        SecretId=secret, SecretString=json.dumps(before)
    )

    failing = {"Release": B, "DatabaseMasterSecretArn": GONE}
    assert stack.update(account.template(B, "upgrade"), **failing) == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.live() == {A}
    assert stack.environment("StripeWebhookFunction")["STRIPE_SECRET_ARN"] == secret
    assert account.secret(secret) == before

    assert stack.update(account.template(B, "upgrade"), Release=B) == "UPDATE_COMPLETE"
    of_stripe = stack.outputs()["StripeSecretArn"]
    assert account.secret(of_stripe) == STRIPES
    assert account.secret(secret) == before, "a rollback of the traffic still finds them"
    assert stack.environment("StripeWebhookFunction")["STRIPE_SECRET_ARN"] == of_stripe
    assert stack.environment("StripeWebhookFunction")["SECRET_ARN"] == ""
    assert stack.environment("CheckoutFinishedConsumerFunction")["SECRET_ARN"] == ""
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_stack_that_forgets_its_policies_is_noticed(account: Account) -> None:
    def broken(release: str) -> Template:
        template = account.template(release, "broken")
        template["Resources"]["Secret"]["DeletionPolicy"] = "Delete"
        for name in ("Release", "Migrate"):
            del template["Resources"]["Setup"]["Properties"][name]
        return template

    stack = account.stack("broken")
    assert stack.create(broken(A), Release=A) == "CREATE_COMPLETE"
    assert stack.update(broken(B), Release=B) == "UPDATE_COMPLETE"
    secret = stack.outputs()["SecretArn"]
    assert stack.delete() == "DELETE_COMPLETE"

    assert [kind for kind, _ in account.calls("broken")] == ["Create", "Delete"], "no Update"
    with pytest.raises(ClientError, match=r"ResourceNotFound|marked for deletion|InvalidRequest"):
        account.secret(secret)
