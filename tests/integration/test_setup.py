"""The custom resource: what it sets up, and what CloudFormation is answered."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from checkout.base import timing
from checkout.base.errors import ConfigurationError, Unavailable
from checkout.base.secrets_manager import SecretsManager
from checkout.release import cloudformation, custom_resource, msk, topics
from checkout.release.migrate import Migrate
from checkout.release.roles import GrantRoles
from checkout.release.topics import Owner
from tests.support import functions, lambda_events
from tests.support.functions import Functions
from tests.support.settings import sign_in_to_aws

MADE_BEFORE = "made before, by somebody who gave it to us"
REQUEST = {
    "RequestType": "Create",
    "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/checkout/1",
    "RequestId": "r-1",
    "LogicalResourceId": "Setup",
    "ResourceType": "Custom::Setup",
    "ResourceProperties": {"ServiceToken": "arn", "Release": "abc"},
}


class Bucket:
    """S3, as far as a presigned PUT goes; answers 503 as often as `busy` says."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.busy = 0
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if bucket.busy:
                    bucket.busy -= 1
                    self.send_response(503)
                else:
                    bucket.answers.append(json.loads(body))
                    bucket.content_types.append(self.headers["Content-Type"])
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/answer?X-Amz-Signature=secret"
        threading.Thread(target=self._server.serve_forever, args=[0.01], daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def answer(self) -> dict[str, Any]:
        [only] = self.answers
        return only


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    monkeypatch.setattr(cloudformation, "PAUSE_SECONDS", 0.01)
    made = Bucket()
    yield made
    made.close()


@pytest.fixture
def made_topics(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Mapping[str, Any], str, Owner]]:
    """What Kafka was asked to have: the embedded broker has no administration."""
    asked: list[tuple[Mapping[str, Any], str, Owner]] = []

    def ensure(*given: Any) -> list[str]:
        asked.append(given)
        return []

    monkeypatch.setattr(topics, "ensure", ensure)
    return asked


@pytest.fixture
def account(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    sign_in_to_aws(monkeypatch)
    with mock_aws():
        yield
        functions.forget_wiring()


def ask(fns: Functions, bucket: Bucket, **more: Any) -> Any:
    return fns.invoke("migrate", {**REQUEST, "ResponseURL": bucket.url, **more})


def test_create_sets_everything_up_and_names_the_brokers(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any]
) -> None:
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="checkout", SecretString=f'{{"JWT_SECRET": "{MADE_BEFORE}"}}')["ARN"]
    fns.set(SECRET_ARN=arn)
    fns.application("REVOKE SELECT ON users FROM checkout_account")

    returned = ask(fns, bucket)

    brokers = fns.settings["KAFKA_BROKERS"]
    assert returned == {"KafkaBrokers": brokers}
    assert bucket.answer == {
        "Status": "SUCCESS",
        "Reason": "",
        "PhysicalResourceId": "Setup",
        "Data": {"KafkaBrokers": brokers},
        **{name: REQUEST[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    assert bucket.content_types == [""]
    [(options, prefix, owner)] = made_topics
    assert options["bootstrap_servers"] == brokers.split(",")
    assert (prefix, owner) == ("", Owner("checkout.1", 3))
    kept = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    assert kept["JWT_SECRET"] == MADE_BEFORE
    assert len(kept["CHECKOUT_SERVICE_TOKEN"]) == 64
    assert fns.get("/checkout/balance").status == 200, "granted again"


def test_a_provider_s_users_need_no_secret_of_ours(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any]
) -> None:
    client = boto3.client("secretsmanager")
    arn = client.create_secret(Name="checkout", SecretString="{}")["ARN"]
    fns.set(SECRET_ARN=arn, JWT_SECRET=None)
    fns.set(JWT_JWKS_URL="https://id.example.com/keys", JWT_ISSUER="them", JWT_AUDIENCE="us")

    ask(fns, bucket)

    assert bucket.answer["Status"] == "SUCCESS", bucket.answer
    kept = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    assert kept.keys() == {"CHECKOUT_SERVICE_TOKEN"}


STRIPES = {
    "STRIPE_SECRET": "sk_test_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_an_earlier_release",
    "STRIPE_WEBHOOK_ENDPOINT": "we_1",
}


def test_an_upgrade_copies_stripe_s_values_and_leaves_them_for_the_release_before(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose versions take traffic until the update is through, and again if it is rolled back."""
    client = boto3.client("secretsmanager")
    before = {"JWT_SECRET": "j" * 64, "CHECKOUT_SERVICE_TOKEN": "s" * 64, **STRIPES}
    for setting, values in (("SECRET_ARN", before), ("STRIPE_SECRET_ARN", {})):
        made = client.create_secret(Name=setting, SecretString=json.dumps(values))
        fns.set(**{setting: made["ARN"]})

    def kept(setting: str) -> Any:
        return json.loads(client.get_secret_value(SecretId=setting)["SecretString"])

    monkeypatch.setattr(Migrate, "__call__", lambda _: 1 / 0)
    ask(fns, bucket, RequestType="Update")
    assert bucket.answer["Status"] == "FAILED", "after the copy"
    assert (kept("SECRET_ARN"), kept("STRIPE_SECRET_ARN")) == (before, STRIPES)


def test_a_value_that_was_changed_since_is_not_copied_over(account: None) -> None:
    client = boto3.client("secretsmanager")
    of_callers, of_stripe = (
        SecretsManager(client.create_secret(Name=name, SecretString=json.dumps(values))["ARN"])
        for name, values in (("callers", STRIPES), ("stripe", {"STRIPE_SECRET": "sk_test_rolled"}))
    )

    copied = of_stripe.copy_missing(of_callers, "STRIPE_")
    assert sorted(copied) == ["STRIPE_WEBHOOK_ENDPOINT", "STRIPE_WEBHOOK_SECRET"]
    assert of_stripe.copy_missing(of_callers, "STRIPE_") == []
    assert SecretsManager("stripe").get("STRIPE_SECRET") == "sk_test_rolled"
    assert len(client.list_secret_version_ids(SecretId="stripe")["Versions"]) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", "x" * 31),
        ("JWT_SECRET_PREVIOUS", "x"),
        ("CHECKOUT_SERVICE_TOKEN", f"{functions.SERVICE_TOKEN}, x"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_"),
    ],
)
def test_a_secret_that_can_be_guessed_is_refused_before_anything_is_migrated(
    account: None,
    fns: Functions,
    bucket: Bucket,
    made_topics: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
) -> None:
    monkeypatch.setattr(Migrate, "__call__", lambda _: pytest.fail("migrated"))
    fns.set(**{name: value})
    ask(fns, bucket)

    assert bucket.answer["Status"] == "FAILED"
    assert bucket.answer["Reason"].startswith(f"{name} has fewer than ")
    with pytest.raises(ConfigurationError, match=f"^{name} has fewer than "):
        fns.invoke("migrate", {})


def test_an_update_does_the_same_under_the_same_name(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any]
) -> None:
    properties = {"Release": "def", "Partitions": "12"}
    ask(fns, bucket, RequestType="Update", PhysicalResourceId="Setup", ResourceProperties=properties)

    assert (bucket.answer["Status"], bucket.answer["PhysicalResourceId"]) == ("SUCCESS", "Setup")
    assert made_topics[0][2] == Owner("checkout.1", 12)


@pytest.mark.parametrize(
    ("old", "had_them"),
    [
        ({"KafkaClusterArn": "arn:one"}, True),
        ({"KafkaClusterArn": "arn:one", "TopicPrefix": ""}, True),
        ({"KafkaClusterArn": "arn:other", "TopicPrefix": ""}, False),
        ({"KafkaClusterArn": "arn:one", "TopicPrefix": "staging."}, False),
    ],
)
def test_a_stack_has_had_its_topics_if_an_update_leaves_them_where_they_were(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any], old: dict[str, str], had_them: bool
) -> None:
    properties = {"KafkaClusterArn": "arn:one", "TopicPrefix": ""}
    ask(fns, bucket, RequestType="Update", ResourceProperties=properties, OldResourceProperties=old)

    assert made_topics[0][2] == Owner("checkout.1", had_them=had_them)


def test_delete_does_nothing_and_succeeds(fns: Functions, bucket: Bucket, made_topics: list[Any]) -> None:
    fns.set(CHECKOUT_DATABASE_URL="postgresql://x@127.0.0.1:1/gone")

    ask(fns, bucket, RequestType="Delete", PhysicalResourceId="Setup")

    assert bucket.answer["Status"] == "SUCCESS"
    assert made_topics == []


def test_a_failure_says_what_to_look_at_and_nothing_secret(
    fns: Functions, bucket: Bucket, made_topics: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SETUP_WAKE", 0.0)
    fns.set(CHECKOUT_DATABASE_URL="postgresql://x:password@127.0.0.1:1/gone")
    ask(fns, bucket)
    functions.override(monkeypatch, setup=lambda *_, **__: dict[str, str]()["password"])
    ask(fns, bucket)

    away, unexpected = bucket.answers
    log = "See /aws/lambda/tests, stream."
    assert (away["Status"], away["Reason"]) == (
        "FAILED",
        f"The database is not available; try again. {log}",
    )
    assert (unexpected["Status"], unexpected["Reason"]) == ("FAILED", f"KeyError. {log}")
    assert "password" not in json.dumps(bucket.answers)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("Partitions", "0"), ("Partitions", "many"), ("Partitions", "-1"), ("Partitions", ""), ("Roles", "no")],
)
def test_a_property_that_cannot_be_used_is_named(
    fns: Functions, bucket: Bucket, name: str, wrong: str
) -> None:
    ask(fns, bucket, ResourceProperties={name: wrong})

    assert bucket.answer["Status"] == "FAILED"
    assert name in bucket.answer["Reason"]


def test_roles_are_left_alone_where_functions_have_passwords(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GrantRoles, "__call__", lambda _: pytest.fail("granted"))

    ask(fns, bucket, ResourceProperties={"Roles": "false"})

    assert bucket.answer["Status"] == "SUCCESS"


def test_the_answer_is_tried_again_while_s3_is_busy(fns: Functions, bucket: Bucket) -> None:
    bucket.busy = cloudformation.ATTEMPTS - 1

    ask(fns, bucket, RequestType="Delete", PhysicalResourceId="Setup")

    assert bucket.answer["Status"] == "SUCCESS"


def test_an_answer_that_cannot_be_given_is_an_error_so_that_lambda_asks_again(
    fns: Functions, bucket: Bucket
) -> None:
    bucket.busy = cloudformation.ATTEMPTS

    with pytest.raises(OSError, match="503"):
        ask(fns, bucket, RequestType="Delete", PhysicalResourceId="Setup")


def test_work_that_takes_too_long_is_answered_before_the_function_is_ended(bucket: Bucket) -> None:
    answered = threading.Event()

    def work(_: Mapping[str, Any]) -> Mapping[str, str]:
        while not bucket.answers:
            answered.wait(0.01)
        return {}

    millis = timing.RESERVE["migrate"] * 1000 + 50
    event = {**REQUEST, "ResponseURL": bucket.url}
    custom_resource.serve(event, lambda_events.LambdaContext(remaining_millis=millis), work)

    assert bucket.answer["Status"] == "FAILED"
    assert "did not end" in bucket.answer["Reason"]


@pytest.fixture
def kafka_api(account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """MSK's API, which takes and gives nothing that it has not."""
    client = boto3.client("kafka")
    monkeypatch.setattr(boto3, "client", lambda service: {"kafka": client}[service])
    with Stubber(client) as stubbed:
        yield stubbed


@pytest.mark.parametrize(
    ("security", "key"),
    [
        ("IAM", "BootstrapBrokerStringSaslIam"),
        ("SCRAM", "BootstrapBrokerStringSaslScram"),
        ("PLAINTEXT", "BootstrapBrokerString"),
    ],
)
def test_msk_says_where_the_brokers_are(kafka_api: Stubber, security: str, key: str) -> None:
    cluster, others = {"ClusterArn": "arn:cluster"}, {"BootstrapBrokerStringTls": "b-1:9094"}
    kafka_api.add_response("get_bootstrap_brokers", {**others, key: "b-1:9098,b-2:9098"}, cluster)
    kafka_api.add_response("get_bootstrap_brokers", others, cluster)

    assert msk.bootstrap_brokers("arn:cluster", security) == "b-1:9098,b-2:9098"
    with pytest.raises(ConfigurationError, match=f"KAFKA_SECURITY={security}"):
        msk.bootstrap_brokers("arn:cluster", security)


def test_what_msk_refuses_is_named(kafka_api: Stubber) -> None:
    kafka_api.add_client_error("get_bootstrap_brokers", "ForbiddenException")

    with pytest.raises(Unavailable, match="ForbiddenException"):
        msk.bootstrap_brokers("arn:cluster", "IAM")


def test_the_functions_get_the_brokers_of_the_cluster(
    account: None, fns: Functions, bucket: Bucket, made_topics: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msk, "bootstrap_brokers", lambda arn, security: f"{arn}-{security}:9098")
    fns.set(KAFKA_CLUSTER_ARN="cluster", KAFKA_SECURITY="IAM", KAFKA_BROKERS="")

    assert ask(fns, bucket) == {"KafkaBrokers": "cluster-IAM:9098"}
    assert made_topics[0][0]["bootstrap_servers"] == ["cluster-IAM:9098"]
