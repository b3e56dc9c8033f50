"""What is judged before a new version gets traffic, and what its import must not do."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from checkout.base import timing
from checkout.base.errors import CheckoutError, ConfigurationError
from checkout.release import privileges, self_check
from checkout.release.versions import Versions
from tests.infrastructure import transformed
from tests.support.functions import Functions
from tests.support.settings import put, sign_in_to_aws
from tests.support.stripe_events import event, session_object

ROOT = Path(__file__).parents[2]
SECRETS, CHECKOUT, APPLICATION, BROKER = "secrets", "checkout database", "application database", "broker"
PROVIDER = "identity provider"
TAKE_TOKENS = {"account", "create_session"}
WITHOUT_SECRETS = {"checkout_finished_consumer", "outbox_relay"}
"""They read none but those that they connect with."""


def needs(function: str) -> list[str]:
    """What a function has rights on: its role in each database, and its role on AWS."""
    name = "".join(word.capitalize() for word in function.split("_"))
    publishes = "kafka-cluster:WriteData" in str(transformed.source()["Resources"][f"{name}FunctionRole"])
    found = {
        SECRETS: function not in WITHOUT_SECRETS,
        CHECKOUT: function in privileges.CHECKOUT,
        APPLICATION: function in privileges.APPLICATION,
        BROKER: publishes,
        PROVIDER: function in TAKE_TOKENS,
    }
    return [need for need, is_needed in found.items() if is_needed]


NEEDS = {one: needs(one) for one in sorted(privileges.CHECKOUT.keys() | privileges.APPLICATION.keys())}


@pytest.mark.parametrize("function", NEEDS)
def test_a_function_reaches_what_it_needs(fns: Functions, function: str) -> None:
    fns.set(RELEASE="abc")
    assert fns.invoke(function, self_check.EVENT) == {"release": "abc", "reached": NEEDS[function]}


AWAY = {
    SECRETS: {"SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:none"},
    CHECKOUT: {"CHECKOUT_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
    APPLICATION: {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
    BROKER: {"KAFKA_BROKERS": "127.0.0.1:1"},
    PROVIDER: {"JWT_JWKS_URL": "http://127.0.0.1:1/", "JWT_ISSUER": "them", "JWT_AUDIENCE": "us"},
}


@pytest.mark.parametrize(
    ("function", "need"), [(one, need) for one, needs in NEEDS.items() for need in needs]
)
def test_what_is_not_there_fails_the_check(
    fns: Functions, function: str, need: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "SELF_CHECK_BROKER", 0.3)
    put(monkeypatch, AWS_EC2_METADATA_DISABLED="true")
    fns.set(**AWAY[need])

    with pytest.raises(CheckoutError):
        fns.invoke(function, self_check.EVENT)


@pytest.mark.parametrize(
    ("function", "need", "setting"),
    [
        (one, need, setting)
        for need, setting in ((CHECKOUT, "CHECKOUT_DATABASE_URL"), (APPLICATION, "DATABASE_URL"))
        for one, needs in NEEDS.items()
        if need in needs
    ],
)
def test_a_database_whose_tables_cannot_be_seen_fails_the_check(
    fns: Functions, function: str, need: str, setting: str
) -> None:
    """They may be in a schema that the role may not use, or does not look into."""
    fns.set(**{setting: f"{fns.settings[setting]}?options=-c%20search_path%3Dpg_catalog"})

    with pytest.raises(ConfigurationError, match=f"the {need} has no table .* that this function can see"):
        fns.invoke(function, self_check.EVENT)


@pytest.mark.parametrize("function", [one for one, needs in NEEDS.items() if SECRETS in needs])
def test_a_secret_that_can_be_guessed_fails_the_check(fns: Functions, function: str) -> None:
    fns.set(JWT_SECRET="x")

    with pytest.raises(ConfigurationError, match="JWT_SECRET has fewer than 32 bytes"):
        fns.invoke(function, self_check.EVENT)


@pytest.mark.parametrize("function", NEEDS)
def test_a_setting_that_cannot_be_parsed_fails_every_check(fns: Functions, function: str) -> None:
    """Also that of a function that reads no secrets."""
    fns.set(KAFKA_PARTIAL_RESPONSES="sometimes")

    with pytest.raises(ConfigurationError, match="KAFKA_PARTIAL_RESPONSES must be true or false"):
        fns.invoke(function, self_check.EVENT)


# The hook

VERSIONS = [f"arn:aws:lambda:eu-central-1:123456789012:function:{name}:7" for name in ("one", "two")]
DEPLOYMENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "e-1"}


class Aws:
    """Lambda's and CodeDeploy's APIs, which take nothing that they have not."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.clients = {name: boto3.client(name) for name in ("lambda", "codedeploy")}
        self.versions, self.codedeploy = (Stubber(client) for client in self.clients.values())
        patch.setattr(boto3, "client", lambda name, **_: self.clients[name])

    def answers(self, version: str, failure: dict[str, str] | None = None) -> None:
        body = json.dumps(failure or {"reached": []}).encode()
        answer = {"StatusCode": 200, "Payload": StreamingBody(BytesIO(body), len(body))}
        self.versions.add_response(
            "invoke",
            {**answer, **({"FunctionError": "Unhandled"} if failure else {})},
            {"FunctionName": version, "Payload": b'{"checkout": "self-check"}'},
        )
        if failure is None:
            self.versions.add_response(
                "get_function_configuration",
                {"Environment": {"Variables": {"RELEASE": ""}}},
                {"FunctionName": version.removesuffix(":7")},
            )

    def expects(self, status: str) -> None:
        told = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "e-1", "status": status}
        self.codedeploy.add_response(
            "put_lifecycle_event_hook_execution_status", {"lifecycleEventHookExecutionId": "e-1"}, told
        )


@pytest.fixture
def aws(fns: Functions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    sign_in_to_aws(monkeypatch)
    made = Aws(monkeypatch)
    with made.versions, made.codedeploy:
        yield made
    made.codedeploy.assert_no_pending_responses()


@pytest.mark.parametrize("failing", [False, True])
def test_a_release_goes_on_where_every_version_is_fit(
    fns: Functions,
    aws: Aws,
    caplog: pytest.LogCaptureFixture,
    failing: bool,
) -> None:
    fns.set(NEW_VERSIONS=VERSIONS[0])
    failure = {"errorType": "DatabaseUnavailable", "errorMessage": "The database is not available."}
    aws.answers(VERSIONS[0], failure if failing else None)
    aws.expects("Failed" if failing else "Succeeded")

    assert fns.invoke("pre_traffic", DEPLOYMENT) == {"fit": not failing}
    reasons = [vars(record).get("reason") for record in caplog.records]
    assert reasons == (["DatabaseUnavailable: The database is not available."] if failing else [])


def test_one_that_is_not_fit_holds_back_all(
    fns: Functions, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    fns.set(NEW_VERSIONS=", ".join(VERSIONS))
    reasons = dict(zip(VERSIONS, (None, "no"), strict=True))
    monkeypatch.setattr(Versions, "ask", lambda _, version, event: event and reasons[version])
    aws.expects("Failed")

    assert fns.invoke("pre_traffic", DEPLOYMENT) == {"fit": False}


def test_a_version_that_cannot_be_invoked_is_not_fit(fns: Functions, aws: Aws) -> None:
    fns.set(NEW_VERSIONS=VERSIONS[0])
    aws.versions.add_client_error("invoke", "ResourceNotFoundException")
    aws.expects("Failed")

    assert fns.invoke("pre_traffic", DEPLOYMENT) == {"fit": False}


def test_codedeploy_is_answered_even_if_nobody_says_which_versions(fns: Functions, aws: Aws) -> None:
    aws.expects("Failed")

    assert fns.invoke("pre_traffic", DEPLOYMENT) == {"fit": False}


# SnapStart keeps what an import has made, for every environment that is restored from it.

OBSERVED = """
import sys
seen = []
def watch(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo", "subprocess.", "os.fork", "_thread.start")):
        seen.append(event)
sys.addaudithook(watch)
import app
print(__import__("json").dumps({"seen": seen, "boto3": "boto3" in sys.modules}))
"""


IN_LAMBDA = {
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
ON_AWS = {
    "SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:checkout",
    "STRIPE_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:stripe",
    "CHECKOUT_DATABASE_URL": "postgresql://db.example.com/checkout",
    "DATABASE_AUTH": "IAM",
    "DATABASE_ROLE": "checkout_any",
    "KAFKA_BROKERS": "b-1.example.com:9098",
    "KAFKA_SECURITY": "IAM",
    "CHECKOUT_APP_ID": "checkout-4f1c09ab",
    "PUBLIC_ORIGIN": "https://pay.example.com",
}
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))


@pytest.mark.parametrize("settings", [{}, ON_AWS], ids=["nothing set", "as on AWS"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_import_opens_nothing_and_reads_no_secret(function: str, settings: dict[str, str]) -> None:
    """It constructs clients, those of AWS included, but only in functions that have them."""
    paths = [ROOT / "functions" / function, ROOT / "layers" / "common"]
    done = subprocess.run(
        [sys.executable, "-c", OBSERVED],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            **IN_LAMBDA,
            **settings,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    with_boto3 = function == "pre_traffic" or (bool(settings) and function != "web")
    assert json.loads(done.stdout) == {"seen": [], "boto3": with_boto3}


# Where webhooks may come from


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        ("", 200),
        ("127.0.0.1", 200),
        ("192.0.2.1, 127.0.0.0/8", 200),
        ("192.0.2.1", 403),
        ("192.0.2.0/24,2001:db8::/32", 403),
    ],
)
def test_webhooks_from_elsewhere_are_refused_where_that_is_wanted(
    fns: Functions, sources: str, status: int
) -> None:
    fns.set(STRIPE_WEBHOOK_SOURCES=sources)

    answer = fns.webhook(event(session_object("00000000-0000-4000-8000-000000000001")))

    assert answer.status == status
    assert len(fns.checkout("SELECT 1 FROM stripe_events")) == (status == 200)


def test_a_source_that_is_no_address_is_named(fns: Functions) -> None:
    fns.set(STRIPE_WEBHOOK_SOURCES="192.0.2.1/24")

    with pytest.raises(ConfigurationError, match="STRIPE_WEBHOOK_SOURCES must be addresses or networks"):
        fns.invoke("stripe_webhook", self_check.EVENT)
    answer: Any = fns.webhook({})
    assert answer.status == 503, "if it is changed later"
    assert "STRIPE_WEBHOOK_SOURCES" in answer.json["detail"]
