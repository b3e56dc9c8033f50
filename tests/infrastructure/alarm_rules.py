"""What must hold for alarms and the dashboard: they watch what is counted, and what is counted is watched."""

import re
from collections.abc import Iterator
from typing import Any

from checkout.operations import finding_words
from tests.infrastructure.transformed import ROOT, Template, Templates, of_type

OF_A_VERSION = frozenset({"FunctionName", "Resource", "ExecutedVersion"})

OF_OUR_VERSION = frozenset({"service", "FunctionName", "ExecutedVersion"})
"""In which a metric of ours comes, too, if a release is judged by it (telemetry.count_of_version)."""

STARTS_THE_RELAY = "PublishDeferredAlarm"
"""Nobody has to know: a rule of EventBridge acts."""

AWS_METRICS: dict[tuple[str, str], set[frozenset[str]]] = {
    ("AWS/Lambda", "Errors"): {frozenset({"FunctionName"}), OF_A_VERSION},
    ("AWS/Lambda", "Invocations"): {OF_A_VERSION},
    ("AWS/Lambda", "OffsetLag"): {frozenset({"FunctionName"})},
    ("AWS/Lambda", "Throttles"): {frozenset({"FunctionName"})},
    ("AWS/ApiGateway", "5xx"): {frozenset({"ApiId"})},
    ("AWS/ApiGateway", "Latency"): {frozenset({"ApiId"})},
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): {frozenset({"QueueName"})},
    ("AWS/Lambda", "PollingErrorCount"): {frozenset({"EventSourceMappingUUID"})},  # With provisioned pollers.
    ("AWS/ApiGateway", "Count"): {frozenset({"ApiId"})},
    ("AWS/CertificateManager", "DaysToExpiry"): {frozenset({"CertificateArn"})},
    ("AWS/NATGateway", "ErrorPortAllocation"): {frozenset({"NatGatewayId"})},
    ("AWS/RDS", "ACUUtilization"): {frozenset({"DBClusterIdentifier"})},
    ("AWS/RDS", "DatabaseConnections"): {frozenset({"DBClusterIdentifier"})},
    ("AWS/RDS", "Deadlocks"): {frozenset({"DBClusterIdentifier"})},
    ("AWS/RDS", "DatabaseConnectionsBorrowLatency"): {frozenset({"ProxyName"})},
    ("AWS/Kafka", "KafkaDataLogsDiskUsed"): {frozenset({"Cluster Name", "Broker ID"})},
    ("AWS/Kafka", "CpuUser"): {frozenset({"Cluster Name", "Broker ID"})},
    ("AWS/Kafka", "CpuSystem"): {frozenset({"Cluster Name", "Broker ID"})},
    ("AWS/Backup", "NumberOfBackupJobsFailed"): {frozenset({"BackupVaultName"})},
    ("AWS/Backup", "NumberOfBackupJobsAborted"): {frozenset({"BackupVaultName"})},
    ("AWS/Backup", "NumberOfBackupJobsExpired"): {frozenset({"BackupVaultName"})},
    ("AWS/Backup", "NumberOfCopyJobsFailed"): {frozenset({"BackupVaultName"})},
    ("AWS/Kafka", "UnderReplicatedPartitions"): {frozenset({"Cluster Name", "Broker ID"})},
}
"""AWS's own that alarms watch, with the dimensions in which they come."""

NOT_WATCHED = frozenset(
    {
        # How much went its way.
        *("SessionsCreated", "PaymentsSucceeded", "EventsPublished", "CreditsEntered", "TimeToCredit"),
        # What mended itself.
        *("PublishDeferred", "RequestsDeferred", "CreditsDeferred"),
        "UncreditedPaymentsEmitted",
        # What anybody can cause.
        *("InvalidSignature", "UnknownSource"),
        # What `verify` reports without an alarm.
        *("EventsHeld", "EventsWaiting"),
    }
)
"""Metrics of ours without an alarm."""

SERVICE = "<service>"
"""What the nested stack of the alarms is given."""


def metrics_emitted() -> set[str]:
    """The names of our own metrics, as the code has them."""
    code = "\n".join(
        path.read_text()
        for folder in ("functions", "layers/common/checkout")
        for path in (ROOT / folder).rglob("*.py")
    )
    names = re.findall(r'(?:count|count_of_version|alert|measure_seconds)\(\s*"([A-Z]\w+)"', code)
    return {*names, *finding_words.WORDS}


def problems(templates: Templates) -> Iterator[str]:
    yield from _alarms(templates)
    yield from _dashboard(templates.nested["monitoring"])


def _alarms(templates: Templates) -> Iterator[str]:
    everywhere = (templates.application, *templates.nested.values())
    found = {
        name: alarm
        for template in everywhere
        for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items()
    }
    composites = {
        name: alarm
        for template in everywhere
        for name, alarm in of_type(template, "AWS::CloudWatch::CompositeAlarm").items()
    }
    parts = set(re.findall(r"\$\{(\w+)\}", str([one["AlarmRule"] for one in composites.values()])))
    rows = _in_the_runbook()
    for name, alarm in (found | composites).items():
        if name in parts or name == STARTS_THE_RELAY:
            continue
        if not alarm.get("AlarmActions") or not alarm.get("AlarmDescription", "").endswith((".", "?")):
            yield f"{name} reaches nobody, or does not say what to do"
        if alarm.get("OKActions") != alarm.get("AlarmActions"):
            yield f"{name} does not say when it is over"
        alarm_name = name.removesuffix("Alarm")
        if not any(alarm_name == row or (row[0] == "…" and alarm_name.endswith(row[1:])) for row in rows):
            yield f"{name} has no row in docs/operations.md, or not by the name {alarm_name}"
    watched = set()
    for name, alarm in found.items():
        single = alarm if "MetricName" in alarm else None
        metrics = (
            [single] if single else [m["MetricStat"]["Metric"] for m in alarm["Metrics"] if "MetricStat" in m]
        )
        for metric in metrics:
            space, what = metric["Namespace"], metric["MetricName"]
            dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
            if space == "Checkout":
                watched.add(what)
                if what not in metrics_emitted() or not _of_this_stack(templates, dimensions):
                    yield f"{name} watches {what}, which nobody counts like that"
            elif frozenset(dimensions) not in AWS_METRICS.get((space, what), set()):
                yield f"{name} watches {space} {what} by {sorted(dimensions)}, which AWS does not have"
    for what in sorted(metrics_emitted() - watched - NOT_WATCHED):
        yield f"{what} is counted, and no alarm watches it"


def _in_the_runbook() -> set[str]:
    """The alarms that the tables of docs/operations.md name, some by their ends: `…Release`."""
    lines = (ROOT / "docs/operations.md").read_text().splitlines()
    first = [line.split("|")[1] for line in lines if line.startswith("| `")]
    return {name for cell in first for name in re.findall(r"`([^`]+)`", cell)}


def _of_this_stack(templates: Templates, dimensions: dict[str, Any]) -> bool:
    """Metrics of several stacks in one account must not be taken for each other's."""
    name = {"Ref": "AWS::StackName"}
    counted = templates.source["Globals"]["Function"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    given = templates.source["Resources"]["Monitoring"]["Properties"]["Parameters"]["Service"]
    of_version = dict(dimensions)
    if frozenset(dimensions) == OF_OUR_VERSION:
        of_version = {"service": dimensions["service"]}  # rules.py looks whose version it is.
    return counted == given == name and of_version in ({"service": name}, {"service": SERVICE})


def _dashboard(template: Template) -> Iterator[str]:
    for name, dashboard in of_type(template, "AWS::CloudWatch::Dashboard").items():
        shown = re.findall(r'"Checkout", "(\w+)", "service", "(.*?)"', dashboard["DashboardBody"]["Fn::Sub"])
        if not shown:
            yield f"{name} shows none of our metrics"
        for what, service in shown:
            if service != "${Service}":
                yield f"{name} shows {what} of every stack in the account"
