"""Reading a SAM template."""

from pathlib import Path

import pytest

from local.lambda_runtime import template
from local.lambda_runtime.template import KafkaTrigger, Route, Schedule, TemplateError

ROOT = Path(__file__).parents[3]

SMALL = """
Parameters:
  Cluster: {Type: String, Default: "arn:aws:kafka:eu-central-1:1:cluster/a/b"}
  Color: {Type: String, Default: red}
  Secret: {Type: String}
Globals:
  Function:
    Handler: app.handler
    Timeout: 29
    MemorySize: 512
    Environment:
      Variables:
        COLOR: !Ref Color
        SHADE: !Sub dark-${Color}
        REGION: !Sub ${AWS::Region}-x
        SECRET: !Ref Secret
        NUMBER: 5
        IF: {"Fn::If": [Yes, a, b]}
Resources:
  Layer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/common/}
  One:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/one/
      Timeout: 60
      Environment: {Variables: {COLOR: blue}}
      Events:
        Http:
          Type: HttpApi
          Properties: {Method: get, Path: "/a/{b}", ApiId: !Ref Api}
        Tick:
          Type: Schedule
          Properties: {Schedule: rate(15 minutes), Input: '{"a": 1}'}
  OneKafka:
    Type: AWS::Lambda::EventSourceMapping
    Properties:
            FunctionName: !Ref One.Alias
            EventSourceArn: !Ref Cluster
            Topics: [topic]
            StartingPosition: TRIM_HORIZON
"""


def load(tmp_path: Path, text: str) -> template.Template:
    path = tmp_path / "template.yaml"
    path.write_text(text)
    return template.load(path)


def test_a_function_has_the_globals_unless_it_says_otherwise(tmp_path: Path) -> None:
    function = load(tmp_path, SMALL).functions["one"]

    assert function.folder == tmp_path / "functions" / "one"
    assert (function.handler, function.timeout, function.memory) == ("app.handler", 60, 512)


def test_the_environment_has_parameters_resolved_and_unknown_values_left_out(tmp_path: Path) -> None:
    assert load(tmp_path, SMALL).functions["one"].environment == {
        "COLOR": "blue",
        "SHADE": "dark-red",
        "NUMBER": "5",
    }


def test_events_become_routes_schedules_and_triggers(tmp_path: Path) -> None:
    read = load(tmp_path, SMALL)

    assert read.routes == (Route("one", "GET", "/a/{b}"),)
    assert read.schedules == (Schedule("one", "Tick", 900, {"a": 1}),)
    assert read.kafka_triggers == (
        KafkaTrigger("one", "topic", group="one", source_arn="arn:aws:kafka:eu-central-1:1:cluster/a/b"),
    )
    assert read.layers == (tmp_path / "layers" / "common",)


def test_a_trigger_has_every_option_of_the_template(tmp_path: Path) -> None:
    options = """
            AmazonManagedKafkaEventSourceConfig: {ConsumerGroupId: group}
            BatchSize: 10
            MaximumBatchingWindowInSeconds: 2
            ProvisionedPollerConfig: {MinimumPollers: 1}
            FunctionResponseTypes: [ReportBatchItemFailures]
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 3
"""
    (trigger,) = load(tmp_path, SMALL.rstrip() + options).kafka_triggers

    assert trigger == KafkaTrigger(
        "one",
        "topic",
        group="group",
        source_arn="arn:aws:kafka:eu-central-1:1:cluster/a/b",
        batch_size=10,
        window_seconds=2,
        partial_responses=True,
        bisect=True,
        maximum_retries=3,
    )


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(15 minutes)", 900),
        ("rate(2 hours)", 7200),
        ("rate(1 day)", 86400),
        ("cron(* * * * ? *)", 60),
        ("cron(0/15 * * * ? *)", 900),
        ("cron(*/5 * * * ? *)", 300),
        ("cron(30 * * * ? *)", 3600),
        ("cron(0 */6 * * ? *)", 21600),
        ("cron(0 3 * * ? *)", 86400),
    ],
)
def test_schedules_in_seconds(expression: str, seconds: int) -> None:
    assert template.seconds(expression) == seconds


@pytest.mark.parametrize("expression", ["", "rate(1 second)", "cron(0 3 1 * ? *)", "cron(1,2 * * * ? *)"])
def test_other_schedules_are_refused(expression: str) -> None:
    with pytest.raises(TemplateError, match="not understood"):
        template.seconds(expression)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Type: HttpApi", "Type: SQS", "SQS"),
        ("Topics: [topic]", "Topics: [a, b]", "one topic"),
        ("TRIM_HORIZON", "AT_TIMESTAMP", "AT_TIMESTAMP"),
        ("Topics: [topic]", "Topics: [topic]\n            BatchSize: 10001", "10,000"),
        ("Topics: [topic]", "Topics: [topic]\n            FilterCriteria: {}", "FilterCriteria"),
    ],
)
def test_what_cannot_be_done_here_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        load(tmp_path, SMALL.replace(old, new))


def test_the_application_s_own_template_is_understood() -> None:
    read = template.load(ROOT / "template.yaml")

    assert Route("stripe_webhook", "POST", "/webhooks/stripe") in read.routes
    assert {one.function: one.seconds for one in read.schedules}["outbox_relay"] == 60
    (trigger,) = [one for one in read.kafka_triggers if one.topic == "checkout.finished"]
    assert (trigger.partial_responses, trigger.maximum_retries, trigger.batch_size) == (True, -1, 1000)
    assert read.functions["migrate"].timeout == 900
    assert "CHECKOUT_APP_ID" in read.variables
    assert "CHECKOUT_APP_ID" not in read.functions["migrate"].environment, "each stack has its own"
    assert read.layers == (ROOT / "layers" / "common",)


def test_conditions_and_mappings_are_those_of_production(tmp_path: Path) -> None:
    written = tmp_path / "template.yaml"
    written.write_text(
        """
Parameters:
  Profile: {Type: String, Default: dev}
  Arn: {Type: String, Default: ""}
Mappings:
  Profiles:
    dev: {Timeout: 1}
    prod: {Timeout: 7}
Conditions:
  IsProd: !Equals [!Ref Profile, prod]
  Both: !And [!Condition IsProd, !Not [!Equals [!Ref Arn, ""]]]
  Either: !Or [!Equals [!Ref Arn, ""], !Equals [!Ref AWS::Region, x]]
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/f
      Handler: app.handler
      Timeout: !FindInMap [Profiles, !Ref Profile, Timeout]
      Environment:
        Variables:
          PROD: !If [IsProd, "yes", "no"]
          NOT_KNOWN: !If [Either, a, b]
          NOT_THERE: !FindInMap [Profiles, !Ref Profile, Other]
          NESTED: !If [IsProd, !If [IsProd, !Ref Profile, x], y]
"""
    )
    read = template.load(written).functions["f"]
    assert read.timeout == 7
    assert read.environment == {"PROD": "yes", "NESTED": "prod"}
