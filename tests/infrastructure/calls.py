"""What a function asks of AWS: it runs here with the settings that the template gives it, and nobody answers.

`python -m tests.infrastructure.calls <function>` prints the calls as JSON lines, [action, resource] each: of
boto3, of sign-ins to PostgreSQL by IAM, and of the Kafka clients, by MSK's table of actions. Its environment
is the function's. The event is the self-check, for `operations` then also the verb that asks the most of
Kafka; for `migrate` and `pre_traffic` what CloudFormation and CodeDeploy send. Then a message is published,
if the function has made a publisher.
"""

import base64
import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import botocore.client
import psycopg2

from tests.infrastructure.transformed import ROOT

FINISHED = "checkout.finished"
CERTIFICATES = ROOT / "layers" / "common" / "checkout" / "certificates"

ACTIONS = {"lambda:Invoke": "lambda:InvokeFunction"}
"""Where IAM has another name for an operation."""

RESOURCES = {
    "secretsmanager": "SecretId",
    "kafka": "ClusterArn",
    "lambda": "FunctionName",
    "codedeploy": "deploymentId",
}
"""The parameter that names what an operation is about."""

SECRETS = {
    "Secret": {"JWT_SECRET": "j" * 64, "CHECKOUT_SERVICE_TOKEN": "", "STRIPE_WEBHOOK_ENDPOINT": "we_1"},
    "StripeSecret": {
        "STRIPE_SECRET": "sk_test_" + "s" * 30,
        "STRIPE_WEBHOOK_SECRET": "whsec_" + "w" * 32,
    },
    "database-url": {"DATABASE_URL": "postgresql://proxy.example.com:5432/application"},
    "master": {"username": "master", "password": "secret"},
    "kafka": {"username": "checkout", "password": "secret"},
    "root": {"certificate": (CERTIFICATES / "amazon-roots.pem").read_text()},
}
"""By the end of their ARNs. `migrate` generates one value, and copies one to Stripe's."""

ANSWERS: dict[str, Callable[[str], Any]] = {
    "secretsmanager:GetSecretValue": lambda arn: {
        "SecretString": json.dumps(SECRETS[arn.rpartition(":")[2]])
    },
    "kafka:GetBootstrapBrokers": lambda _: {"BootstrapBrokerStringSaslIam": "b-1.example.com:9098"},
    "lambda:Invoke": lambda _: {"Payload": io.BytesIO(json.dumps({"release": None}).encode())},
    "lambda:GetFunctionConfiguration": lambda _: {"Environment": {"Variables": {"RELEASE": ""}}},
}

CONTEXT = SimpleNamespace(
    function_name="f",
    function_version="1",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:111122223333:function:f",
    aws_request_id="r",
    log_group_name="g",
    log_stream_name="s",
    get_remaining_time_in_millis=lambda: 60_000,
)


class Recorder:
    """The calls, in their order; each is kept once."""

    def __init__(self) -> None:
        self.calls: dict[tuple[str, str], None] = {}

    def note(self, action: str, resource: str) -> None:
        self.calls[action, resource] = None

    def api(self, client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
        """In the place of boto3's call."""
        service = client.meta.service_model.service_name
        name = f"{service}:{operation}"
        resource = str(parameters.get(RESOURCES[service], ""))
        self.note(ACTIONS.get(name, name), resource)
        return ANSWERS[name](resource) if name in ANSWERS else {}

    def connection(self, **server: Any) -> Any:
        """In the place of psycopg2's; only signing in by a token is AWS's concern."""
        query = parse_qs(urlsplit("https://" + server.get("password", "")).query)
        if query.get("Action") == ["connect"]:
            self.note("rds-db:connect", f"{server['host']}/{query['DBUser'][0]}")
        connection = mock.MagicMock()
        cursor = connection.cursor.return_value
        cursor.mogrify.return_value, cursor.fetchone.return_value, cursor.fetchall.return_value = (
            b"",
            None,
            [],
        )
        return connection

    def kafka(self, **options: Any) -> Any:
        """In the place of kafka-python's producer and administration."""
        if options["sasl_mechanism"] != "OAUTHBEARER":
            return Kafka(lambda *_: None)  # By a password: what it may do is not AWS's concern.
        return Kafka(self._signed_in(options["sasl_oauth_token_provider"].token()))

    def producer(self) -> type:
        """In the place of librdkafka's."""
        signed_in = self._signed_in

        class Producer(Kafka):
            def __init__(self, settings: Mapping[str, Any]) -> None:
                by_token = settings["sasl.mechanism"] == "OAUTHBEARER"
                super().__init__(lambda *_: None)
                if by_token:
                    super().__init__(signed_in(settings["oauth_cb"]("")[0]))

        return Producer

    def _signed_in(self, token: str) -> Callable[[str, str], None]:
        asked = parse_qs(urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()).query)
        self.note(asked["Action"][0], "cluster")
        return self.note


class Kafka:
    """Requests by what MSK asks for them (MSK Developer Guide, "Semantics of IAM authorization policy actions
    and resources"): metadata of a topic DescribeTopic, a record WriteData, a new topic CreateTopic, a group's
    coordinator and offsets DescribeGroup and DescribeTopic."""

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self._note = note

    def partitions_for(self, topic: str) -> set[int]:
        self._note("kafka-cluster:DescribeTopic", topic)
        return {0}

    def send(self, topic: str, **_: Any) -> Any:
        self.partitions_for(topic)
        self._note("kafka-cluster:WriteData", topic)
        future = mock.MagicMock()
        future.get.return_value = SimpleNamespace(partition=0, offset=0)
        return future

    def produce(self, topic: str, *_: Any, on_delivery: Callable[[Any, Any], None], **__: Any) -> None:
        self.send(topic)
        on_delivery(None, None)

    def poll(self, _: float) -> None:
        pass

    def purge(self) -> None:
        pass

    def list_topics(self, topic: str | None = None, _: float = 0) -> Any:
        """Those that the role may describe; none are there yet, but for the one that is asked for."""
        if topic is None:
            return []
        return SimpleNamespace(topics={topic: SimpleNamespace(partitions=self.partitions_for(topic))})

    def create_topics(self, topics: Mapping[str, Any]) -> None:
        for topic in topics:
            self._note("kafka-cluster:DescribeTopic", topic)
            self._note("kafka-cluster:CreateTopic", topic)

    def list_group_offsets(self, groups: Mapping[str, Any]) -> Any:
        """Of groups that have read everything."""
        for group, partitions in groups.items():
            self._note("kafka-cluster:DescribeGroup", group)
            for partition in partitions:
                self._note("kafka-cluster:DescribeTopic", partition.topic)
        read = SimpleNamespace(offset=1)
        return {group: dict.fromkeys(partitions, read) for group, partitions in groups.items()}

    def close(self, timeout: float | None = None) -> None:
        pass


def run(function: str) -> Recorder:
    """In a process of its own, whose environment is the function's."""
    sys.path[:0] = [str(ROOT / "functions" / function), str(ROOT / "layers" / "common")]
    recorder = Recorder()
    with (
        mock.patch.object(botocore.client.BaseClient, "_make_api_call", _method(recorder.api)),
        mock.patch.object(psycopg2, "connect", recorder.connection),
        mock.patch("confluent_kafka.Producer", recorder.producer()),
        mock.patch("kafka.KafkaProducer", recorder.kafka),
        mock.patch("kafka.KafkaAdminClient", recorder.kafka),
        mock.patch("urllib.request.urlopen"),
        mock.patch("checkout.release.roles.GrantRoles.__call__"),  # It reads what it has written.
        mock.patch("checkout.release.user_id_columns.require_same"),  # As if the table were there.
    ):
        import app  # type: ignore[import-not-found]

        for event in _events(function):
            app.handler(event, CONTEXT)
        if "kafka_publisher" in vars(getattr(app, "system", None) or SimpleNamespace()):
            message = SimpleNamespace(effect_key="k", topic=FINISHED, key="k", value=b"{}", traceparent=None)
            app.system.kafka_publisher.publish([message], 1.0)
    return recorder


def _events(function: str) -> list[dict[str, Any]]:
    self_check: dict[str, Any] = {"checkout": "self-check"}
    match function:
        case "migrate":
            names = {"RequestId": "r", "LogicalResourceId": "Setup", "StackId": "arn:…:stack/checkout/id"}
            return [{"RequestType": "Create", "ResponseURL": "https://s3.example", **names}]
        case "pre_traffic":
            return [{"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}]
        case "web":
            page = {"rawPath": "/balance", "headers": {}, "routeKey": "GET /balance"}
            return [{**page, "requestContext": {"http": {"method": "GET"}}}]
        case "operations":
            return [self_check, {"verb": "triggers"}]
    return [self_check]


def _method(call: Callable[..., Any]) -> Any:
    return lambda client, operation, parameters: call(client, operation, parameters)


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    calls = run(sys.argv[1]).calls
    print("\n".join(json.dumps(call) for call in calls))
