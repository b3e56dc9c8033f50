"""What a function asks for, and what its role allows: neither more nor less."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tests.infrastructure import published, whole
from tests.infrastructure.transformed import REGION, ROOT, Resource

HERE = f"{REGION}:{whole.ACCOUNT}"
CLUSTER = f"arn:aws:kafka:{HERE}:cluster/checkout/id"
HOSTS = {"cluster.example.com": "cluster-ABC", "proxy.example.com": "prx-abc"}
"""Where PostgreSQL listens, and the resource that rds-db:connect is asked on there."""

UNOBSERVED = {
    "kafka-cluster:DescribeCluster": "read-only, and in AWS's own policies for whoever connects",
    "xray:PutTraceSegments": "asked by the tracing layer, which is not ours",
}
"""Actions that a role may have although nobody is seen to ask for them."""

READ_SECRET = "secretsmanager:GetSecretValue"

Resources = Mapping[str, Resource]


class Call(NamedTuple):
    action: str
    resource: str


def name(path: str, kind: str, attribute: str | None) -> str:
    """What AWS would call it: ARNs and hosts in their form."""
    found = {
        ("AWS::Lambda::Function", "Arn"): f"arn:aws:lambda:{HERE}:function:{path}",
        ("AWS::Lambda::Version", None): f"arn:aws:lambda:{HERE}:function:{path.split('Version')[0]}:1",
        ("AWS::Logs::LogGroup", "Arn"): f"arn:aws:logs:{HERE}:log-group:{path}:*",
        ("AWS::MSK::Cluster", None): CLUSTER,
        ("AWS::SecretsManager::Secret", None): f"arn:aws:secretsmanager:{HERE}:secret:{path}",
        ("AWS::RDS::DBCluster", "Endpoint.Address"): "cluster.example.com",
        ("AWS::RDS::DBCluster", "DBClusterResourceId"): HOSTS["cluster.example.com"],
        ("AWS::RDS::DBCluster", "MasterUserSecret.SecretArn"): f"arn:aws:secretsmanager:{HERE}:secret:master",
        ("AWS::RDS::DBProxy", "Endpoint"): "proxy.example.com",
        ("AWS::RDS::DBProxy", "DBProxyArn"): f"arn:aws:rds:{HERE}:db-proxy:{HOSTS['proxy.example.com']}",
        ("Custom::Setup", "KafkaBrokers"): "b-1.example.com:9098",
    }.get((kind, attribute))
    return found or whole.symbol(path, kind, attribute)


def asked(resources: Resources, function: str) -> set[Call]:
    """By the function's code, with the settings that the template gives it."""
    properties = resources[function]["Properties"]
    environment = {
        **{key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ},
        **{key: str(value) for key, value in properties["Environment"]["Variables"].items()},
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.infrastructure.calls", folder(function)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{function}: {done.stderr[-2000:]}")
    lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith('["'))
    return {Call(action, _resource(action, what, resources)) for action, what in lines}


def folder(function: str) -> str:
    """`StripeWebhookFunction` is in functions/stripe_webhook."""
    stem = function.removesuffix("Function")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in stem).removeprefix("_")


def asked_by_lambda(resources: Resources, function: str) -> set[Call]:
    """By Lambda itself, with the function's role: logs, the network, and the pollers of its triggers."""
    logs = resources[f"{function.removesuffix('Function')}Logs"]
    assert logs["Type"] == "AWS::Logs::LogGroup"
    group = name(f"{function.removesuffix('Function')}Logs", logs["Type"], "Arn")
    calls = {Call(action, group) for action in ("logs:CreateLogStream", "logs:PutLogEvents")}
    calls |= {Call(action, "*") for action in published.LAMBDA_IN_A_VPC}
    for path, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping" and path.startswith(function):
            calls |= _polled(resource["Properties"], group)
    return calls


def statements(role: Resource) -> list[dict[str, Any]]:
    return [one for policy in role["Properties"]["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def granted(role: Resource, *, to_code_of: str | None = None) -> set[Call]:
    """What a role allows Lambda itself, or the code of a function; a resource may be a pattern."""
    source = name(to_code_of, "AWS::Lambda::Function", "Arn") if to_code_of else ""
    refused = _of("Deny", [one for one in statements(role) if fnmatchcase(source, _source_of(one))])
    return {one for one in _of("Allow", statements(role)) if not any(_covers(no, one) for no in refused)}


def _of(effect: str, found: Iterable[dict[str, Any]]) -> set[Call]:
    return {
        Call(action, resource)
        for one in found
        if one["Effect"] == effect
        for action in _listed(one["Action"])
        for resource in _listed(one["Resource"])
    }


def _source_of(statement: dict[str, Any]) -> str:
    """Whose code a statement is about: a pattern of ARNs. Lambda itself has none, which is "" here."""
    condition = statement.get("Condition", {})
    pattern = condition.get("ArnLike", {}).get("lambda:SourceFunctionArn")
    return str(pattern) if pattern else "*"


def denied(calls: Iterable[Call], grants: Iterable[Call]) -> set[Call]:
    """Calls that nothing allows."""
    allowed = list(grants)
    return {call for call in calls if not any(_covers(grant, call) for grant in allowed)}


def unused(calls: Iterable[Call], grants: Iterable[Call]) -> set[Call]:
    """Grants that no call needs."""
    made = list(calls)
    return {
        grant
        for grant in grants
        if grant.action not in UNOBSERVED and not any(_covers(grant, call) for call in made)
    }


def _covers(grant: Call, call: Call) -> bool:
    return grant.action == call.action and fnmatchcase(call.resource, grant.resource)


def _polled(trigger: Mapping[str, Any], logs: str) -> set[Call]:
    def on(action: str) -> str:
        if action.startswith("logs:"):
            return logs
        if action.startswith("ec2:"):
            return "*"
        if action in ("kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"):
            return _of_cluster("topic", trigger["Topics"][0])
        if action in ("kafka-cluster:DescribeGroup", "kafka-cluster:AlterGroup"):
            return _of_cluster("group", trigger["AmazonManagedKafkaEventSourceConfig"]["ConsumerGroupId"])
        return str(trigger["EventSourceArn"])

    if "SelfManagedEventSource" in trigger:
        secrets = {one["URI"] for one in trigger["SourceAccessConfigurations"] if ":secret:" in one["URI"]}
        rest = published.LAMBDA_READS_ANY_KAFKA - {READ_SECRET}
        return {Call(READ_SECRET, one) for one in secrets} | {Call(action, on(action)) for action in rest}
    return {Call(action, on(action)) for action in published.LAMBDA_READS_MSK | published.LAMBDA_FINDS_MSK}


def _of_cluster(kind: str, what: str) -> str:
    return f"{CLUSTER.replace(':cluster/', f':{kind}/')}/{what}"


def _resource(action: str, what: str, resources: Resources) -> str:
    if action == "rds-db:connect":
        host, _, user = what.partition("/")
        return f"arn:aws:rds-db:{HERE}:dbuser:{HOSTS[host]}/{user}"
    if action == "kafka-cluster:Connect":
        return CLUSTER
    if action.startswith("kafka-cluster:"):
        return _of_cluster("group" if action.endswith("Group") else "topic", what)
    if action.startswith("codedeploy:"):
        [application] = [
            path for path, one in resources.items() if one["Type"] == "AWS::CodeDeploy::Application"
        ]
        return f"arn:aws:codedeploy:{HERE}:deploymentgroup:<{application}>/group"
    return what


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
