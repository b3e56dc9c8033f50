"""Signing in to Apache Kafka as MSK has it: by TLS, with a password (SCRAM) or a token (OAUTHBEARER)."""

import base64
import json
import ssl
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import CredentialRetrievalError
from moto import mock_aws

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, Unavailable
from checkout.outbox import administration
from checkout.outbox import sign_in as kafka_sign_in
from checkout.outbox.producer import KafkaPublisher
from checkout.outbox.table import Message
from checkout.release import topics
from checkout.system import System
from tests.support.secure_kafka import PASSWORD, SECONDS, TOPIC, Secure, unsecured
from tests.support.settings import put, sign_in_to_aws

pytestmark = pytest.mark.timeout(240)  # The first test may have to wait for the download.

MESSAGE = Message("7", TOPIC, "1", b"{}")
ACCOUNT = {"KAFKA_USERNAME": "a", "KAFKA_PASSWORD": "b"}


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    started = Secure(tmp_path_factory.mktemp("secure"))
    yield started
    started.node.stop()


def bearer(secure: Secure, token: str) -> dict[str, Any]:
    return kafka_sign_in.by_token(lambda: token, secure.authority.root.read_text())


def by_password(
    secure: Secure, password: str = PASSWORD, root: Path | None = None, mechanism: str = "SCRAM-SHA-512"
) -> dict[str, Any]:
    trusted = (root or secure.authority.root).read_text()
    return kafka_sign_in.by_password(mechanism, "checkout", password, trusted)


def publish(address: str, settings: dict[str, Any]) -> list[str]:
    publisher = KafkaPublisher([address], sign_in=lambda: settings)
    published = list(publisher.publish([MESSAGE], SECONDS).acknowledged)
    publisher.close()
    return published


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_by_password(secure: Secure, mechanism: str) -> None:
    assert publish(secure.address, by_password(secure, mechanism=mechanism)) == ["7"]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager's client in an empty account; what is read is not kept."""
    sign_in_to_aws(monkeypatch)
    monkeypatch.setattr(timing, "SECRETS_KEEP", 0)
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_by_secrets_of_its_own_whose_password_may_change(secure: Secure, secrets: Any) -> None:
    def account(password: str) -> str:
        return json.dumps({"username": "rotated", "password": password})

    secure.add_user("rotated", "first")
    arn = secrets.create_secret(Name="kafka", SecretString=account("first"))["ARN"]
    root = json.dumps({"certificate": secure.authority.root.read_text()})
    config = Config(
        {
            "KAFKA_BROKERS": secure.address,
            "KAFKA_SECURITY": "SCRAM-SHA-256",
            "KAFKA_SECRET_ARN": arn,
            "KAFKA_ROOT_SECRET_ARN": secrets.create_secret(Name="root", SecretString=root)["ARN"],
            "KAFKA_CA_FILE": "/opt/python/certifi/cacert.pem",
        }
    )
    publisher = System(config).kafka_publisher
    assert publisher.publish([MESSAGE], SECONDS).acknowledged == ["7"]

    secure.add_user("rotated", "second")
    secrets.put_secret_value(SecretId=arn, SecretString=account("second"))
    publisher.close()
    assert publisher.publish([MESSAGE], SECONDS).acknowledged == ["7"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("KAFKA_SECRET_ARN", '{"username": "a"}', "KAFKA_SECRET_ARN needs the keys username and password"),
        ("KAFKA_ROOT_SECRET_ARN", "{}", "KAFKA_ROOT_SECRET_ARN needs the key certificate"),
        ("KAFKA_ROOT_SECRET_ARN", '{"certificate": "x"}', "KAFKA_ROOT_SECRET_ARN must be one in PEM"),
    ],
)
def test_what_is_wrong_with_a_secret_is_said(secrets: Any, name: str, value: str, said: str) -> None:
    arn = secrets.create_secret(Name="kafka", SecretString=value)["ARN"]
    with pytest.raises(ConfigurationError, match=said):
        kafka_sign_in.settings(Config({"KAFKA_SECURITY": "SCRAM", name: arn}))


@pytest.mark.parametrize("error", [Unavailable("away"), ConfigurationError("without a password")])
def test_without_a_password_nothing_is_published_and_nothing_raised(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> dict[str, Any]:
        raise error

    assert not KafkaPublisher(["127.0.0.1:1"], sign_in=away).publish([MESSAGE], 0.5).acknowledged
    assert str(error) in [record.__dict__.get("reason") for record in caplog.records]


def test_by_token(secure: Secure) -> None:
    publisher = KafkaPublisher([secure.address], sign_in=lambda: bearer(secure, unsecured()))
    publisher.require(TOPIC, SECONDS)
    assert publisher.publish([MESSAGE], SECONDS).acknowledged == ["7"]
    publisher.close()


def test_a_producer_with_a_token_works_at_once() -> None:
    """The client's own constructor sleeps for a second."""
    token = kafka_sign_in.by_token(lambda: "token", kafka_sign_in.AMAZON_ROOTS.read_text())
    publisher = KafkaPublisher(["127.0.0.1:1"], sign_in=lambda: token)
    took = []
    for _ in range(3):
        began = time.monotonic()
        publisher._connected(5)
        took.append(time.monotonic() - began)
        publisher.close()
    assert min(took) < 0.5


def test_topics_are_made_by_who_has_signed_in(secure: Secure) -> None:
    for number, settings in enumerate((by_password(secure), bearer(secure, unsecured()))):
        options = {"bootstrap_servers": [secure.address], **administration.translated(settings)}
        made = topics.ensure(options, f"new{number}.", topics.Owner("shop.1"))
        assert f"new{number}.checkout.requests" in made


def wrong(secure: Secure, how: str) -> tuple[str, dict[str, Any]]:
    match how:
        case "password":
            return secure.address, by_password(secure, "wrong")
        case "expired token":
            return secure.address, bearer(secure, unsecured(-1))
        case "authority":
            return secure.address, by_password(secure, root=secure.other.root)
        case _:
            return f"localhost:{secure.port}", by_password(secure)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("password", "KAFKA_USERNAME"),
        ("expired token", "KAFKA_SECURITY"),
        ("authority", "KAFKA_CA_FILE"),
        ("host", "not for the host"),
    ],
)
def test_what_is_wrong_is_said_once_and_nothing_secret(
    secure: Secure, how: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    address, settings = wrong(secure, how)
    began = time.monotonic()
    publisher = KafkaPublisher([address], sign_in=lambda: settings)
    assert not publisher.publish([MESSAGE], 2.0).acknowledged
    assert time.monotonic() - began < 8
    [line] = [record for record in caplog.records if record.name == "checkout"]
    assert line.getMessage() == "no connection to Kafka"
    assert said in line.__dict__["reason"]
    for secret in (PASSWORD, "wrong", unsecured(-1)[:40]):
        assert secret not in caplog.text
    with pytest.raises(Unavailable, match=said):
        KafkaPublisher([address], sign_in=lambda: settings).require(TOPIC, 2.0)


def test_a_connection_whose_token_has_expired_is_made_anew(secure: Secure) -> None:
    """The node ends a connection when its token ends; here that is three seconds."""
    made: list[float] = []

    def make() -> str:
        made.append(time.monotonic())
        return unsecured(3)

    settings = kafka_sign_in.by_token(make, secure.authority.root.read_text())
    publisher = KafkaPublisher([secure.address], sign_in=lambda: settings)
    publisher.signed_in_seconds = 1.0
    began, published = time.monotonic(), 0
    while time.monotonic() < began + 6 or published <= 20 or len(made) < 4:
        assert time.monotonic() < began + 60, f"{published} published, {len(made)} tokens made"
        assert publisher.publish([MESSAGE], SECONDS).acknowledged == ["7"]
        published += 1
        time.sleep(0.05)


def test_the_token_of_msk(monkeypatch: pytest.MonkeyPatch) -> None:
    put(
        monkeypatch,
        AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_SESSION_TOKEN="session",
        AWS_DEFAULT_REGION="eu-central-1",
    )
    token = kafka_sign_in.msk_token()
    assert "=" not in token
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    assert (url.scheme, url.hostname, url.path) == ("https", "kafka.eu-central-1.amazonaws.com", "/")
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert query["Action"] == "kafka-cluster:Connect"
    assert query["X-Amz-Expires"] == "900"
    assert query["X-Amz-Security-Token"] == "session"
    assert query["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert query["X-Amz-Credential"].endswith("/eu-central-1/kafka-cluster/aws4_request")
    assert len(query["X-Amz-Signature"]) == 64
    assert query["User-Agent"]


def test_no_credentials_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.Session, "get_credentials", lambda _: None)
    with pytest.raises(Unavailable, match="no AWS credentials"):
        kafka_sign_in.msk_token()


def test_while_credentials_are_not_given_out_nothing_is_published_and_nothing_raised(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The outbox has what a webhook has committed, and it must be answered."""

    def away(_: boto3.Session) -> None:
        raise CredentialRetrievalError(provider="container-role", error_msg="away")

    put(monkeypatch, AWS_DEFAULT_REGION="eu-central-1")
    monkeypatch.setattr(boto3.Session, "get_credentials", away)
    signed_in = partial(kafka_sign_in.by_token, kafka_sign_in.msk_token, "")
    assert not KafkaPublisher(["127.0.0.1:1"], sign_in=signed_in).publish([MESSAGE], 0.5).acknowledged
    assert "CredentialRetrievalError" in caplog.records[0].__dict__["reason"]


@pytest.mark.parametrize(
    ("settings", "mechanism"),
    [
        ({"KAFKA_SECURITY": ""}, None),
        ({"KAFKA_SECURITY": "PLAINTEXT"}, None),
        ({"KAFKA_SECURITY": "SCRAM", **ACCOUNT}, "SCRAM-SHA-512"),
        ({"KAFKA_SECURITY": "SCRAM-SHA-256", **ACCOUNT}, "SCRAM-SHA-256"),
        ({"KAFKA_SECURITY": "SCRAM-SHA-512", **ACCOUNT}, "SCRAM-SHA-512"),
        ({"KAFKA_SECURITY": "PLAIN", **ACCOUNT}, "PLAIN"),
        ({"KAFKA_SECURITY": "IAM"}, "OAUTHBEARER"),
    ],
)
def test_the_setting_picks_the_way(settings: dict[str, str], mechanism: str | None) -> None:
    found = kafka_sign_in.settings(Config(settings))
    assert found.get("sasl.mechanism") == mechanism
    if mechanism:
        assert found["security.protocol"] == "SASL_SSL"
        assert found["ssl.ca.pem"] == kafka_sign_in.AMAZON_ROOTS.read_text()
        context = administration.translated(found)["ssl_context"]
        assert len(context.get_ca_certs()) == 5, "Amazon's alone"
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname is True


def test_a_file_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "gone.pem"):
        with pytest.raises(ConfigurationError, match="KAFKA_CA_FILE must be a file of certificates"):
            kafka_sign_in.roots(str(tmp_path / name))
