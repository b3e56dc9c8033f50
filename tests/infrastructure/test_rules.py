"""The templates obey the rules in both profiles, and each rule notices when it is broken."""

from collections.abc import Callable
from typing import Any

import pytest

import deployment  # noqa: F401 - puts the functions' package on the path
from deployment import costs
from tests.infrastructure import published, rules, transformed
from tests.infrastructure.transformed import Template

Break = Callable[[Template, dict[str, Template]], None]
CONSUMER = "CheckoutFinishedConsumerFunction"


@pytest.mark.parametrize("profile", ["dev", "prod"])
def test_the_templates_obey(profile: str) -> None:
    assert rules.problems(rules.loaded(profile), profile) == []


def test_with_tracing_every_function_may_send_its_traces() -> None:
    templates = rules.loaded(
        "prod", TracingLayerArn="arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel:1"
    )
    functions = transformed.of_type(templates.source, "AWS::Serverless::Function")
    assert rules.problems(templates, "prod") == []
    for name in functions:
        role = templates.application["Resources"][f"{name}Role"]["Properties"]
        assert any("xray:PutTraceSegments" in one["Action"] for one in rules.statements(role))


def trigger(source: Template) -> dict[str, Any]:
    found: dict[str, Any] = source["Resources"][f"{CONSUMER}CheckoutFinished"]["Properties"]
    return found


def statements(source: Template, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = source["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    return found


def without_kafka_permission(source: Template, _: dict[str, Template]) -> None:
    found = statements(source, "CheckoutFinishedConsumerFunctionRole")
    found[:] = [one for one in found if "kafka-cluster:ReadData" not in on_msk(one).get("Action", "")]


def on_msk(statement: dict[str, Any]) -> dict[str, Any]:
    """What the statement is with a cluster of MSK's."""
    chosen: dict[str, Any] = statement.get("Fn::If", [None, None, statement])[2]
    return chosen


def replace_action(source: Template, role: str, having: str, actions: list[str]) -> None:
    # The statement is put in anew: other roles have the same one, by an anchor.
    found = statements(source, role)
    found[:] = [
        {**on_msk(one), "Action": actions}
        if having in on_msk(one).get("Action", "") and on_msk(one)["Effect"] == "Allow"
        else one
        for one in found
    ]


def without_the_poller_s_permission(source: Template, _: dict[str, Template]) -> None:
    kept = ["kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"]
    replace_action(source, "CheckoutRequestsConsumerFunctionRole", "kafka:DescribeClusterV2", kept)


def without_network_permission(source: Template, _: dict[str, Template]) -> None:
    kept = sorted(published.LAMBDA_IN_A_VPC - {"ec2:DescribeSubnets"})
    replace_action(source, "AccountFunctionRole", "ec2:DescribeSubnets", kept)


def with_network_permissions_for_code(source: Template, _: dict[str, Template]) -> None:
    found = statements(source, "AccountFunctionRole")
    found[:] = [one for one in found if one.get("Effect") != "Deny"]


def with_a_misspelt_option(source: Template, _: dict[str, Template]) -> None:
    trigger(source)["MaximumRetryAtempts"] = -1


def with_destination(source: Template, _: dict[str, Template]) -> None:
    trigger(source)["DestinationConfig"] = {"OnFailure": {"Type": "SQS", "Destination": "arn:aws:sqs:x:1:y"}}


def with_public_database(_: Template, nested: dict[str, Template]) -> None:
    nested["database"]["Resources"]["Writer"]["Properties"]["PubliclyAccessible"] = True


def with_extended_support(_: Template, nested: dict[str, Template]) -> None:
    del nested["database"]["Resources"]["Cluster"]["Properties"]["EngineLifecycleSupport"]


def with_slow_statements_logged(_: Template, nested: dict[str, Template]) -> None:
    parameters = nested["database"]["Resources"]["ClusterParameters"]["Properties"]["Parameters"]
    parameters["log_min_duration_statement"] = "1000"


def with_a_configuration_that_goes(_: Template, nested: dict[str, Template]) -> None:
    nested["kafka"]["Resources"]["Configuration"]["DeletionPolicy"] = "Delete"


def with_broker_logs_of_any_name(_: Template, nested: dict[str, Template]) -> None:
    del nested["kafka"]["Resources"]["Logs"]["Properties"]["LogGroupName"]


def without_log_group(source: Template, _: dict[str, Template]) -> None:
    del source["Resources"]["AccountFunction"]["Properties"]["LoggingConfig"]


def without_variable(source: Template, _: dict[str, Template]) -> None:
    del source["Globals"]["Function"]["Environment"]["Variables"]["CHECKOUT_APP_ID"]


def with_wildcard(source: Template, _: dict[str, Template]) -> None:
    statements(source, "AccountFunctionRole").append(
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b"}
    )


def without_encryption(_: Template, nested: dict[str, Template]) -> None:
    del nested["database"]["Resources"]["Cluster"]["Properties"]["StorageEncrypted"]


def without_alarm(_: Template, nested: dict[str, Template]) -> None:
    del nested["monitoring"]["Resources"]["RecordParkedAlarm"]


def with_wrong_handler(source: Template, _: dict[str, Template]) -> None:
    source["Resources"]["AccountFunction"]["Properties"]["Handler"] = "main.handler"


def with_layer_of_another_architecture(source: Template, _: dict[str, Template]) -> None:
    source["Resources"]["CommonLayer"]["Metadata"]["BuildArchitecture"] = "x86_64"


def with_a_queue_for_all(source: Template, _: dict[str, Template]) -> None:
    [statement] = source["Resources"]["DeadLettersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    del statement["Condition"]


def without_release(source: Template, _: dict[str, Template]) -> None:
    del source["Resources"]["WebFunction"]["Properties"]["AutoPublishCodeSha256"]


def judged_by_another_alarm(source: Template, _: dict[str, Template]) -> None:
    alarms = source["Resources"]["WebFunction"]["Properties"]["DeploymentPreference"]["Alarms"]
    alarms[0] = {"Ref": "AccountReleaseAlarm"}


def judged_by_an_old_version(source: Template, _: dict[str, Template]) -> None:
    for metric in source["Resources"]["WebReleaseAlarm"]["Properties"]["Metrics"][1:]:
        metric["MetricStat"]["Metric"]["Dimensions"][2]["Value"] = {
            "Fn::GetAtt": "AccountFunction.Version.Version"
        }


def without_the_database_s_log_group(_: Template, nested: dict[str, Template]) -> None:
    del nested["database"]["Resources"]["Logs"]


def with_a_database_that_goes(source: Template, _: dict[str, Template]) -> None:
    source["Resources"]["Database"]["DeletionPolicy"] = "Delete"


def with_an_alarm_of_all_stacks(_: Template, nested: dict[str, Template]) -> None:
    nested["monitoring"]["Resources"]["RecordParkedAlarm"]["Properties"]["Dimensions"][0]["Value"] = (
        "checkout"
    )


def with_setup_of_the_first_cluster_only(source: Template, _: dict[str, Template]) -> None:
    del source["Resources"]["Setup"]["Properties"]["KafkaClusterArn"]


def with_a_secret_s_text(source: Template, nested: dict[str, Template]) -> None:
    source["Resources"]["StripeSecret"]["Properties"]["SecretString"] = "{}"


@pytest.mark.parametrize(
    ("change", "noticed"),
    [
        (with_a_secret_s_text, "StripeSecret: another text in the template would replace what it holds"),
        (
            without_kafka_permission,
            "CheckoutFinishedConsumerFunctionRole lacks kafka-cluster:DescribeTopic, kafka-cluster:ReadData",
        ),
        (
            without_the_poller_s_permission,
            "CheckoutRequestsConsumerFunctionRole lacks kafka-cluster:DescribeClusterDynamicConfiguration",
        ),
        (without_network_permission, "AccountFunctionRole lacks ec2:DescribeSubnets"),
        (
            with_network_permissions_for_code,
            "AccountFunctionRole: the function's code may do ec2:AssignPrivateIpAddresses, ec2:CreateNetwork",
        ),
        (with_a_misspelt_option, "CheckoutFinished: there is no option MaximumRetryAtempts"),
        (with_destination, "with DestinationConfig records of money would be skipped"),
        (with_public_database, "Writer is public"),
        (with_extended_support, "Cluster would be charged for Extended Support"),
        (with_slow_statements_logged, "log_min_duration_statement is not -1: personal data could get into"),
        (
            with_a_configuration_that_goes,
            "Configuration: by its DeletionPolicy it would go before the cluster",
        ),
        (with_broker_logs_of_any_name, "Logs is not under /aws/vendedlogs/"),
        (without_log_group, "AccountFunction has no log group of its own"),
        (without_variable, "CHECKOUT_APP_ID is read and not set"),
        (with_wildcard, "AccountFunctionRole: s3:* is a wildcard"),
        (without_encryption, "Cluster is not encrypted"),
        (without_alarm, "RecordParked is counted, and no alarm watches it"),
        (
            with_an_alarm_of_all_stacks,
            "RecordParkedAlarm watches RecordParked, which nobody counts like that",
        ),
        (with_wrong_handler, "AccountFunction: there is no functions/account/main.py with handler"),
        (with_layer_of_another_architecture, "CommonLayer is built for another architecture"),
        (with_a_queue_for_all, "DeadLettersPolicy: rules of others could write there"),
        (without_release, "WebFunction: a release of the layer alone would not go live"),
        (judged_by_another_alarm, "WebFunction: errors of its new version would not take the release back"),
        (judged_by_an_old_version, "WebReleaseAlarm judges another function's version"),
        (with_setup_of_the_first_cluster_only, "Setup would not run for another Kafka cluster"),
    ],
)
def test_what_is_broken_is_noticed(change: Break, noticed: str) -> None:
    [problem] = rules.problems(rules.loaded("prod", change), "prod")
    assert noticed in problem


def test_another_release_gives_every_function_another_version() -> None:
    def versions(release: str) -> dict[str, str]:
        source = transformed.source()
        source["Parameters"]["Release"]["Default"] = release
        document = transformed.transform(source)
        return {
            found["FunctionName"]["Ref"]: name
            for name, found in transformed.of_type(document, "AWS::Lambda::Version").items()
        }

    before, after = versions("a" * 64), versions("b" * 64)
    functions = transformed.of_type(transformed.source(), "AWS::Serverless::Function").keys()
    assert before.keys() == after.keys() == functions
    assert [name for name in functions if before[name] == after[name]] == []


@pytest.mark.parametrize(("profile", "brokers"), [("dev", "standard"), ("prod", "express")])
def test_the_costs_count_every_alarm(profile: str, brokers: str) -> None:
    templates = rules.loaded(profile)
    kafka = transformed.resolved(transformed.nested("kafka"), Brokers=brokers)
    nested = templates.nested | {"kafka": kafka}
    del nested["backup"]  # An option, whose own price includes COPY_ALARMS.
    everywhere = (templates.application, *nested.values())
    alarms = [
        len([metric for metric in alarm.get("Metrics", [{"MetricStat": ""}]) if "MetricStat" in metric])
        for template in everywhere
        for alarm in transformed.of_type(template, "AWS::CloudWatch::Alarm").values()
    ]
    composites = [
        one for each in everywhere for one in transformed.of_type(each, "AWS::CloudWatch::CompositeAlarm")
    ]
    shape = costs.PROFILES[profile]
    assert (sum(alarms), len(composites)) == (shape.alarms, shape.composite_alarms)
