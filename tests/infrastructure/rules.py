"""What must hold in the templates: each rule gives the problems that it finds."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from checkout.base.settings import DECLARED
from tests.infrastructure import alarm_rules, published, transformed
from tests.infrastructure.transformed import ROOT, Template, Templates, of_type

CONSUME = published.LAMBDA_READS_MSK | published.LAMBDA_FINDS_MSK | {"kafka-cluster:DescribeCluster"}
RETAINED = frozenset({"Retain", "RetainExceptOnCreate"})

LOGS_NO_STATEMENT = {
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
"""Of PostgreSQL; tests/integration/test_postgres_log.py has a server show what they do."""

WILDCARDS = {
    "ec2": "EC2 knows no resource for what it describes, and none yet for an interface that Lambda will make",
    "codedeploy": "CodeDeploy's group of each function has a generated name, in an application of ours",
    "xray": "X-Ray knows no resource for what it is told",
    "kafka-cluster": "marks of other stacks must be seen, whatever these are called",
    "backup": "recovery points get their names from AWS Backup",
    "kms": "the keys of a backup and of its copy, in two regions, to describe and to grant to AWS",
    "rds": "AWS Backup gives snapshots their names, and looks for them",
    "rds-db": "the proxy signs in as whichever of our roles the function has signed in as",
}
"""Why an action of this service may have a `*` in its resource. No action may have one."""


def loaded(
    profile: str, change: Callable[[Template, dict[str, Template]], None] | None = None, **parameters: str
) -> Templates:
    """`change` may break them first; `parameters` are the application's."""
    source, nested = transformed.source(), {name: transformed.nested(name) for name in transformed.STACKS}
    if change is not None:
        change(source, nested)
    document = transformed.transform(source) if change is not None else transformed.document()
    database = {"prod": {"Standby": "true", "Proxy": "true"}, "dev": {}}[profile]
    given = {
        "database": database,
        "kafka": {"Brokers": "standard"},
        "monitoring": {"Service": alarm_rules.SERVICE, "FinishedTrigger": "t" if profile == "prod" else ""},
    }
    return Templates(
        source,
        transformed.resolved(document, Profile=profile, **parameters),
        {name: transformed.resolved(found, **given.get(name, {})) for name, found in nested.items()},
    )


def problems(templates: Templates, profile: str) -> list[str]:
    """All that is wrong."""
    found = [
        *_triggers(templates, profile),
        *_permissions(templates),
        *_functions(templates),
        *_settings(templates),
        *_wildcards(templates),
        *_database(templates.nested["database"], profile),
        *_kafka(templates.nested["kafka"]),
        *_delivered(templates),
        *_state(templates),
        *alarm_rules.problems(templates),
        *_releases(templates),
        *_setup(templates.source),
        *_handlers(templates.source),
        *_layer(templates.source),
    ]
    return sorted(set(found))


def _triggers(templates: Templates, profile: str) -> Iterator[str]:
    kind = "AWS::Lambda::EventSourceMapping"
    known = PROVIDER_SCHEMA_MANAGER.get_resource_schema(transformed.REGION, kind).schema["properties"].keys()
    found = of_type(templates.application, kind)
    if len(found) != 2:
        yield f"there are {len(found)} Kafka triggers instead of 2"
    for name, trigger in found.items():
        expected: dict[str, Any] = {"StartingPosition": "TRIM_HORIZON"}
        if profile == "prod":
            expected |= {"MaximumRetryAttempts": -1, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
        for option, value in expected.items():
            if trigger.get(option) != value:
                yield f"{name}: {option} is {trigger.get(option)} instead of {value}"
        for option in ("DestinationConfig", "FilterCriteria", "MaximumRecordAgeInSeconds"):
            if option in trigger:
                yield f"{name}: with {option} records of money would be skipped"
        if profile == "dev" and trigger.keys() & {"MaximumRetryAttempts", "FunctionResponseTypes"}:
            yield f"{name}: pollers on demand have no such options"
        if ("ProvisionedPollerConfig" in trigger) != (profile == "prod"):
            yield f"{name}: its pollers are not those of {profile}"
        for option in sorted(trigger.keys() - known):
            yield f"{name}: there is no option {option}"
        config = "SelfManaged" if "SelfManagedEventSource" in trigger else "AmazonManaged"
        if not trigger[f"{config}KafkaEventSourceConfig"].get("ConsumerGroupId"):
            yield f"{name}: a new consumer group would begin anew"
    variables = templates.source["Globals"]["Function"]["Environment"]["Variables"]
    if variables.get("KAFKA_PARTIAL_RESPONSES") != {"Fn::If": ["AnswersInPart", "true", "false"]}:
        yield "KAFKA_PARTIAL_RESPONSES does not say what the triggers understand"


def statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role.get("Policies", []):
        yield from policy["PolicyDocument"]["Statement"]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _actions(role: dict[str, Any], effect: str) -> set[str]:
    return {
        action for one in statements(role) if one["Effect"] == effect for action in _listed(one["Action"])
    }


def _permissions(templates: Templates) -> Iterator[str]:
    roles = of_type(templates.application, "AWS::IAM::Role")
    consumers = {"CheckoutFinishedConsumer", "CheckoutRequestsConsumer"}
    functions = {name.removesuffix("Function") for name in _serverless(templates.source)}
    for names, needed in ((consumers, CONSUME), (functions, published.LAMBDA_IN_A_VPC)):
        for name in sorted(names):
            if missing := needed - _actions(roles[f"{name}FunctionRole"], "Allow"):
                yield f"{name}FunctionRole lacks {', '.join(sorted(missing))}"
    for name in sorted(functions):
        allowed, refused = (_actions(roles[f"{name}FunctionRole"], effect) for effect in ("Allow", "Deny"))
        network = {one for one in allowed if one.startswith("ec2:")} | published.DENIED_TO_CODE_IN_A_VPC
        if not network <= refused:
            open_to_code = ", ".join(sorted(network - refused))
            yield f"{name}FunctionRole: the function's code may do {open_to_code}"
    for name, role in roles.items():
        if name == "CodeDeployRole":
            continue  # template.yaml says why it has AWS's policy.
        if "ManagedPolicyArns" in role:
            yield f"{name} has a managed policy, which allows more than it needs"
        if any("logs:CreateLogGroup" in _listed(one["Action"]) for one in statements(role)):
            yield f"{name} could make a log group without retention"


def _functions(templates: Templates) -> Iterator[str]:
    groups = of_type(templates.application, "AWS::Logs::LogGroup")
    for name, function in of_type(templates.application, "AWS::Lambda::Function").items():
        group = function.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if group not in groups:
            yield f"{name} has no log group of its own"
        if not function.get("VpcConfig"):
            yield f"{name} is not in the network"
    for name, properties in groups.items():
        if not properties.get("RetentionInDays"):
            yield f"{name} keeps its lines for ever"


def _settings(templates: Templates) -> Iterator[str]:
    declared = templates.source["Globals"]["Function"]["Environment"]["Variables"].keys()
    for name in sorted(DECLARED.keys() - declared):
        yield f"{name} is read and not set"
    read = DECLARED.keys() | {"STRIPE_KEY", "AWS_LAMBDA_EXEC_WRAPPER"}
    for name in sorted(name for name in declared - read if not name.startswith("POWERTOOLS_")):
        yield f"{name} is set and not read"


def _wildcards(templates: Templates) -> Iterator[str]:
    for template in (templates.application, *templates.nested.values()):
        for name, role in of_type(template, "AWS::IAM::Role").items():
            for statement in statements(role):
                actions = _listed(statement["Action"])
                for action in actions:
                    if "*" in action:
                        yield f"{name}: {action} is a wildcard"
                if "*" in str(statement["Resource"]):
                    for service in {action.split(":")[0] for action in actions} - WILDCARDS.keys():
                        yield f"{name}: any resource of {service}, without a reason"


def _database(template: Template, profile: str) -> Iterator[str]:
    groups = of_type(template, "AWS::Logs::LogGroup")
    kept = {group["LogGroupName"]["Fn::Sub"][0] for group in groups.values() if group.get("RetentionInDays")}
    for name, cluster in of_type(template, "AWS::RDS::DBCluster").items():
        for kind in cluster["EnableCloudwatchLogsExports"]:
            if f"/aws/rds/cluster/{cluster['DBClusterIdentifier']['Fn::Sub'][0]}/{kind}" not in kept:
                yield f"{name} keeps its lines for ever"
    for name, instance in of_type(template, "AWS::RDS::DBInstance").items():
        if instance.get("PubliclyAccessible") is not False:
            yield f"{name} is public"
    for name, cluster in of_type(template, "AWS::RDS::DBCluster").items():
        if cluster.get("StorageEncrypted") is not True:
            yield f"{name} is not encrypted"
        if cluster.get("ManageMasterUserPassword") is not True:
            yield f"{name}: its master password is not RDS's own secret"
        if cluster.get("EngineLifecycleSupport") != "open-source-rds-extended-support-disabled":
            yield f"{name} would be charged for Extended Support once its version is old"
        if cluster.get("EnableIAMDatabaseAuthentication") is not True:
            yield f"{name} does not admit roles by IAM"
    for group in of_type(template, "AWS::RDS::DBClusterParameterGroup").values():
        if group["Parameters"].get("rds.force_ssl") != "1":
            yield "the database speaks without TLS"
        for name, value in LOGS_NO_STATEMENT.items():
            if group["Parameters"].get(name) != value:
                yield f"{name} is not {value}: personal data could get into PostgreSQL's log"
    proxies = of_type(template, "AWS::RDS::DBProxy")
    if (len(proxies) == 1) != (profile == "prod"):
        yield f"{profile} has {len(proxies)} proxies"
    if any(proxy.get("RequireTLS") is not True for proxy in proxies.values()):
        yield "the proxy speaks without TLS"


def _kafka(template: Template) -> Iterator[str]:
    for name, cluster in of_type(template, "AWS::MSK::Cluster").items():
        transit = cluster.get("EncryptionInfo", {}).get("EncryptionInTransit", {})
        if transit != {"ClientBroker": "TLS", "InCluster": True}:
            yield f"{name} speaks without TLS"
        if cluster["ClientAuthentication"]["Unauthenticated"]["Enabled"]:
            yield f"{name} admits anybody"
    for configuration in of_type(template, "AWS::MSK::Configuration").values():
        told = dict(line.split("=") for line in configuration["ServerProperties"].split())
        safe = {"default.replication.factor": "3", "min.insync.replicas": "2"}
        if {name: told.get(name) for name in safe} != safe:
            yield "a record can be acknowledged and lost with one broker"
        if int(told.get("log.retention.hours", 0)) < 96:
            yield "records do not outlive a long weekend"


def _delivered(templates: Templates) -> Iterator[str]:
    """Logs that AWS's services write. Others would each add to a policy of the account, which is limited."""
    [stage] = of_type(templates.application, "AWS::ApiGatewayV2::Stage").values()
    [api, _] = stage["AccessLogSettings"]["DestinationArn"]["Fn::GetAtt"]
    groups = {api: of_type(templates.application, "AWS::Logs::LogGroup")[api]}
    for name, group in {**groups, **of_type(templates.nested["kafka"], "AWS::Logs::LogGroup")}.items():
        if "/aws/vendedlogs/" not in str(group.get("LogGroupName")):
            yield f"{name} is not under /aws/vendedlogs/"


def _state(templates: Templates) -> Iterator[str]:
    kept: dict[str, set[str]] = {
        "AWS::RDS::DBCluster": {"Snapshot", *RETAINED},
        "AWS::MSK::Cluster": {*RETAINED},
        "AWS::MSK::ServerlessCluster": {*RETAINED},
        "AWS::SecretsManager::Secret": {*RETAINED},
    }
    for template in (templates.application, *templates.nested.values()):
        for name, resource in template["Resources"].items():
            wanted = kept.get(str(resource["Type"]), set())
            if "GenerateSecretString" in resource.get("Properties", {}):
                continue  # CloudFormation makes another one; in the application's own secrets it may not.
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                # CloudFormation knows RetainExceptOnCreate for a deletion alone.
                kinds = wanted - ({"RetainExceptOnCreate"} if policy == "UpdateReplacePolicy" else set())
                if wanted and resource.get(policy) not in kinds:
                    yield f"{name}: its {policy} would lose what it holds"
    for name, resource in templates.nested["kafka"]["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            continue
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if resource.get(policy) not in RETAINED:
                yield f"{name}: by its {policy} it would go before the cluster, which stays and needs it"
    if templates.application["Resources"]["Database"].get("DeletionPolicy") not in RETAINED:
        yield "Database: with DatabaseHost its cluster would go"
    for name, secret in of_type(templates.application, "AWS::SecretsManager::Secret").items():
        if secret.keys() & {"SecretString", "GenerateSecretString"}:
            yield f"{name}: another text in the template would replace what it holds"
    for name, queue in of_type(templates.application, "AWS::SQS::Queue").items():
        if queue.get("SqsManagedSseEnabled") is not True:
            yield f"{name} is not encrypted"
    for name, written in of_type(templates.application, "AWS::SQS::QueuePolicy").items():
        for one in written["PolicyDocument"]["Statement"]:
            if "aws:SourceArn" not in one.get("Condition", {}).get("ArnLike", {}):
                yield f"{name}: rules of others could write there"
    for name, rule in of_type(templates.application, "AWS::Events::Rule").items():
        if any("DeadLetterConfig" not in target for target in rule["Targets"]):
            yield f"{name} drops what it cannot start"


def _serverless(source: Template) -> dict[str, dict[str, Any]]:
    return of_type(source, "AWS::Serverless::Function")


def _releases(templates: Templates) -> Iterator[str]:
    for name, function in _serverless(templates.source).items():
        if function.get("AutoPublishCodeSha256") != {"Ref": "Release"}:
            yield f"{name}: a release of the layer alone would not go live"
        preference = function.get("DeploymentPreference", {})
        own = {"Ref": f"{name.removesuffix('Function')}ReleaseAlarm"}
        if preference.get("Enabled") is not False and own not in preference.get("Alarms", []):
            yield f"{name}: errors of its new version would not take the release back"
    for name, alarm in of_type(templates.source, "AWS::CloudWatch::Alarm").items():
        judged = set(re.findall(r"(\w+)Function'?[,.] ?'?Version", str(alarm)))
        if judged and judged != {name.removesuffix("ReleaseAlarm")}:
            yield f"{name} judges another function's version"
    if of_type(templates.application, "AWS::Lambda::Alias").keys() != {
        f"{name}Aliaslive" for name in _serverless(templates.source)
    }:
        yield "not every function has an alias"


def _setup(source: Template) -> Iterator[str]:
    """CloudFormation runs a custom resource again only where a property of it changed."""
    [setup] = of_type(source, "Custom::Setup").values()
    migrates = _serverless(source)["MigrateFunction"]["Environment"]["Variables"]
    wanted = {
        "release": {"Ref": "Release"},
        "version of migrate": {"Ref": "MigrateFunction.Version"},
        "database": migrates["CHECKOUT_DATABASE_URL"]["Fn::Sub"][1]["Host"],
        "Kafka cluster": migrates["KAFKA_CLUSTER_ARN"],
        "prefix of topics": {"Ref": "TopicPrefix"},
        "Kafka that is not MSK's": {"Ref": "KafkaBootstrap"},
        "secret": migrates["SECRET_ARN"],
        "secret of Stripe's values": migrates["STRIPE_SECRET_ARN"],
    }
    for what, value in wanted.items():
        if value not in setup.values():
            yield f"Setup would not run for another {what}"


def _handlers(source: Template) -> Iterator[str]:
    usual = source["Globals"]["Function"]["Handler"]
    for name, function in _serverless(source).items():
        module, _, attribute = function.get("Handler", usual).rpartition(".")
        path = ROOT / function["CodeUri"] / f"{module}.py"
        if not path.exists() or not re.search(rf"^(def )?{attribute}\b", path.read_text(), re.MULTILINE):
            yield f"{name}: there is no {Path(function['CodeUri']) / module}.py with {attribute}"


def _layer(source: Template) -> Iterator[str]:
    wanted = {"Ref": "Architecture"}
    for name, layer in of_type(source, "AWS::Serverless::LayerVersion").items():
        built = source["Resources"][name]["Metadata"]["BuildArchitecture"]
        if built != wanted or layer["CompatibleArchitectures"] != [wanted]:
            yield f"{name} is built for another architecture than the functions"
    if source["Globals"]["Function"]["Architectures"] != [wanted]:
        yield "the functions are not of the parameter's architecture"
