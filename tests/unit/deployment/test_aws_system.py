"""Smoke's questions to AWS, with fake clients."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from checkout.base import terminal
from checkout.operations import caller_identity, remote
from deployment import __main__ as program
from deployment import aws_system, smoke
from deployment.aws_system import AwsSystem
from deployment.smoke_client import SmokeFailed
from local import waiting

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:operations:live"
OUTPUTS = {
    "ApiUrl": "https://api",
    "SecretArn": "arn",
    "StripeSecretArn": "arn",
    "OperationsFunction": FUNCTION,
    "JwtAudience": "shop",
}

RESOURCES = {
    "checkout": [
        {"ResourceType": "AWS::Lambda::EventSourceMapping", "PhysicalResourceId": "1"},
        {"ResourceType": "AWS::Lambda::Function", "PhysicalResourceId": "2"},
        {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": "checkout-ServerErrorsAlarm-1"},
        {"ResourceType": "AWS::CloudFormation::Stack", "PhysicalResourceId": "arn:monitoring"},
    ],
    "arn:monitoring": [
        {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": "checkout-Monitoring-OutboxStuck-1"},
        {"ResourceType": "AWS::CloudWatch::Alarm", "PhysicalResourceId": "checkout-BurnsLong-1"},
        {"ResourceType": "AWS::CloudWatch::CompositeAlarm", "PhysicalResourceId": "checkout-Burns-1"},
    ],
}


class Aws:
    """A fake of every client; `invoked` has the events of the function."""

    def __init__(self) -> None:
        self.secret = {"STRIPE_SECRET": "sk_test_1", "JWT_SECRET": ""}
        self.answer: dict[str, Any] = {"clean": True, "result": {"adjusted": True}}
        self.function_error: dict[str, str] = {}
        self.invoked: Any = None
        self.trigger = "Enabled"
        self.results = ["No records processed"]
        self.alarms: list[dict[str, Any]] = []
        self.composites: list[dict[str, Any]] = []
        self.quiet_after = 999
        self.parameters = {"JwtAudience": "", "JwtIssuer": ""}
        self.outputs = dict(OUTPUTS)

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in self.outputs.items()]
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        return {"Stacks": [{"Outputs": outputs, "Parameters": given}]}

    def get_secret_value(self, SecretId: str) -> Any:  # noqa: N803
        return {"SecretString": json.dumps(self.secret)}

    def invoke(self, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803
        self.invoked = FunctionName, json.loads(Payload)
        return {"Payload": io.BytesIO(json.dumps(self.answer).encode()), **self.function_error}

    def get_event_source_mapping(self, UUID: str) -> Any:  # noqa: N803
        arn = "arn:aws:lambda:eu-central-1:123456789012:function:consumer"
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        return {
            "State": self.trigger,
            "FunctionArn": arn,
            "StateTransitionReason": "User action",
            **({"LastProcessingResult": result} if result else {}),
        }

    def get_paginator(self, name: str) -> "Pages":
        if name == "describe_alarms":
            self.quiet_after -= 1
            found = {"MetricAlarms": self.alarms, "CompositeAlarms": self.composites}
            return Pages(lambda _: found if self.quiet_after >= 0 else {})
        return Pages(lambda asked: {"StackResourceSummaries": RESOURCES[asked["StackName"]]})


class Clock:
    """A clock on which sleeping takes no time."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class Pages:
    """The only page, for every question."""

    def __init__(self, page: Callable[[dict[str, Any]], Any]) -> None:
        self._page = page

    def paginate(self, **asked: Any) -> Any:
        yield self._page(asked)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    made = Aws()
    monkeypatch.setattr(waiting, "time", Clock())
    monkeypatch.setattr(aws_system, "_client", lambda _: made)
    monkeypatch.setattr(remote, "_client", lambda _: made)
    monkeypatch.setattr(caller_identity, "proof", lambda function, words: " ".join([function, *words]))
    return made


def test_where_it_is_and_what_its_settings_are(aws: Aws) -> None:
    system = AwsSystem("checkout")
    assert system.api_url == "https://api"
    assert system.secret("STRIPE_SECRET") == "sk_test_1"
    assert system.config.jwt_audiences == {"checkout"}
    assert system.config.jwt_issuer is None
    aws.parameters |= {"JwtIssuer": "https://shop.example.com", "JwtAudience": "any", "UserIdType": "uuid"}
    config = AwsSystem("checkout").config
    assert config.jwt_audiences == frozenset()
    assert config.jwt_issuer == "https://shop.example.com"
    assert config.user_ids.name == "uuid"


def test_what_is_not_configured_is_named_with_the_command(aws: Aws) -> None:
    with pytest.raises(SmokeFailed, match="JWT_SECRET is not configured: make configure STACK=checkout"):
        AwsSystem("checkout").secret("JWT_SECRET")


def test_a_secret_into_which_nothing_was_put_has_no_values(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(message: str) -> None:
        def get(SecretId: str) -> Any:  # noqa: N803
            raise ClientError(
                {"Error": {"Code": "ResourceNotFoundException", "Message": message}}, "GetSecretValue"
            )

        monkeypatch.setattr(aws, "get_secret_value", get)

    refuse("Secrets Manager can't find the specified secret value for staging label: AWSCURRENT")
    assert AwsSystem("checkout").stripe_secrets == {}
    with pytest.raises(SmokeFailed, match="STRIPE_SECRET is not configured: make configure STACK=checkout"):
        AwsSystem("checkout").secret("STRIPE_SECRET")
    refuse("Secrets Manager can't find the specified secret.")
    with pytest.raises(ClientError):
        AwsSystem("checkout").secret("STRIPE_SECRET")


def test_a_verb_goes_to_the_function_of_the_operations(aws: Aws) -> None:
    assert AwsSystem("checkout").operate("adjust", "--yes") == {"adjusted": True}
    event = {"verb": "adjust", "arguments": ["--yes"], "identity": "operations adjust --yes"}
    assert aws.invoked == (FUNCTION, event)


def test_what_was_refused_or_failed_is_said(aws: Aws) -> None:
    aws.answer = {"error": "no such user"}
    with pytest.raises(SmokeFailed, match="operations adjust was refused: no such user"):
        AwsSystem("checkout").operate("adjust")
    aws.answer, aws.function_error = {"errorMessage": "timed out"}, {"FunctionError": "Unhandled"}
    with pytest.raises(SmokeFailed, match=r"operations adjust failed: .*timed out"):
        AwsSystem("checkout").operate("adjust")


def raised(name: str, *, calls_somebody: bool = True) -> dict[str, Any]:
    return {"AlarmName": name, "AlarmActions": ["arn:topic"] if calls_somebody else []}


def test_an_alarm_that_calls_nobody_is_left_to_the_one_that_it_is_a_part_of(aws: Aws) -> None:
    aws.alarms = [raised("checkout-BurnsLong-1", calls_somebody=False)]
    assert list(AwsSystem("checkout").checks())[1] == ("no alarm is raised", None)

    aws.composites = [raised("checkout-Burns-1")]
    assert list(AwsSystem("checkout").checks())[1] == ("no alarm is raised", "checkout-Burns-1")


def test_triggers_and_alarms(aws: Aws) -> None:
    assert list(AwsSystem("checkout").checks()) == [
        ("1 Kafka triggers read their topics", None),
        ("no alarm is raised", None),
    ]
    aws.trigger, aws.alarms = "Disabled", [raised("checkout-Monitoring-OutboxStuck-1")]
    assert [problem for _, problem in AwsSystem("checkout").checks()] == [
        "consumer is Disabled (User action), last result: No records processed",
        "checkout-Monitoring-OutboxStuck-1",
    ]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [(403, None), (404, None), (None, None), (200, "https://own is answered 200, too")],
)
def test_behind_cloudfront_the_api_s_own_name_answers_nothing(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, answer: int | None, problem: str | None
) -> None:
    asked: list[str] = []

    def get(url: str, **_: Any) -> requests.Response:
        asked.append(url)
        if answer is None:
            raise requests.ConnectionError
        response = requests.Response()
        response.status_code = answer
        return response

    monkeypatch.setattr(requests, "get", get)
    aws.outputs["ClosedUrl"] = "https://own"
    first = next(iter(AwsSystem("checkout").checks()))
    assert first == ("the API answers through CloudFront alone", problem)
    assert asked == ["https://own/health"]


REFUSED = "PROBLEM: Cluster failed to authorize Lambda."
"""Of an enabled trigger (AWS Lambda Developer Guide, "Troubleshooting Amazon MSK event source mapping")."""


@pytest.mark.parametrize("result", [REFUSED, "PROBLEM: Connection error. Please check network.", ""])
def test_a_trigger_that_is_enabled_and_does_not_read_is_a_problem(aws: Aws, result: str) -> None:
    aws.results = [result]
    [(what, problem), _] = AwsSystem("checkout").checks()
    assert what == "1 Kafka triggers read their topics"
    assert problem is not None
    assert (result or "none yet") in problem


def test_a_trigger_has_some_minutes_to_reach_the_brokers(aws: Aws) -> None:
    aws.results = ["", REFUSED, "OK"]
    assert next(iter(AwsSystem("checkout").checks())) == ("1 Kafka triggers read their topics", None)


def test_an_alarm_has_some_minutes_to_notice_that_all_is_well(aws: Aws) -> None:
    aws.alarms, aws.quiet_after = [raised("checkout-ServerErrorsAlarm-1")], 3
    assert list(AwsSystem("checkout").checks())[1] == ("no alarm is raised", None)


def test_another_stack_s_alarm_is_not_ours(aws: Aws) -> None:
    aws.alarms = [raised("checkout-prod-ServerErrorsAlarm-1")]
    assert list(AwsSystem("checkout").checks())[1] == ("no alarm is raised", None)


@pytest.mark.parametrize("has_key", [True, False])
def test_smoke_skips_a_stack_without_a_key_if_it_is_told_to(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, has_key: bool
) -> None:
    said: list[str] = []
    monkeypatch.setattr(terminal, "say", said.append)
    monkeypatch.setattr(terminal, "complain", said.append)
    monkeypatch.setattr(smoke, "run", lambda *_: said.append("run"))
    monkeypatch.setattr(program, "region", lambda: "eu-central-1")
    aws.secret["STRIPE_SECRET"] = "sk_test_1" if has_key else ""
    missing = "STRIPE_SECRET is not configured: make configure STACK=checkout"

    assert program.main(["smoke", "checkout", "--if-configured"]) == 0
    assert said == ["run" if has_key else f"skipped: {missing}"]
    assert program.main(["smoke", "checkout"]) == int(not has_key)
    assert said[1:] == ["run" if has_key else f"error: {missing}"]
