"""What a team that operates the stack can rely on: the budget's alarms, and who may use the alarms' topic."""

import copy
import re
from typing import Any

import pytest
from cfnlint.api import ManualArgs, lint

from tests.infrastructure import deployer, published, transformed, whole
from tests.infrastructure.transformed import Resource

SOURCE = whole.source()
DEV = {"Profile": "dev"}


def warnings(resources: dict[str, Resource]) -> set[tuple[str, int, str]]:
    """(kind, percent, whom) of each of the budget's notifications."""
    if "Monitoring.Budget" not in resources:
        return set()
    return {
        (one["Notification"]["NotificationType"], one["Notification"]["Threshold"], who["Address"])
        for one in resources["Monitoring.Budget"]["Properties"]["NotificationsWithSubscribers"]
        for who in one["Subscribers"]
    }


def publishers(resources: dict[str, Resource]) -> set[str]:
    """The services that may publish on the stack's own topic, each for this account alone."""
    found: set[str] = set()
    policy: dict[str, Any] = resources["AlarmTopicPolicy"]["Properties"]
    for one in policy["PolicyDocument"]["Statement"]:
        assert policy["Topics"] == [one["Resource"]] == ["<AlarmTopic>"]
        assert one["Action"] == "sns:Publish"
        if one.get("Condition") == {"StringEquals": {"aws:SourceAccount": whole.ACCOUNT}}:
            found |= set(one["Principal"]["Service"])
    return found


def test_there_is_no_budget_unless_somebody_wants_one() -> None:
    assert warnings(whole.resources(SOURCE, DEV)) == set()


def test_a_budget_warns_at_the_alarms_topic_before_it_is_used_up() -> None:
    resources = whole.resources(SOURCE, DEV | {"MonthlyBudgetUsd": "250"})

    assert resources["Monitoring.Budget"]["Properties"]["Budget"]["BudgetLimit"]["Amount"] == "250"
    assert warnings(resources) == {("ACTUAL", 80, "<AlarmTopic>"), ("FORECASTED", 100, "<AlarmTopic>")}


def test_a_budget_warns_at_the_topic_that_a_team_has() -> None:
    topic = "arn:aws:sns:eu-central-1:444455556666:other"
    resources = whole.resources(SOURCE, DEV | {"MonthlyBudgetUsd": "250", "AlarmTopicArn": topic})

    assert {who for _, _, who in warnings(resources)} == {topic}
    assert "AlarmTopicPolicy" not in resources


def test_alarms_and_budget_of_this_account_alone_reach_the_topic() -> None:
    resources = copy.deepcopy(whole.resources(SOURCE, DEV))
    services = {"cloudwatch.amazonaws.com", "budgets.amazonaws.com", "backup.amazonaws.com"}
    assert publishers(resources) == services

    del resources["AlarmTopicPolicy"]["Properties"]["PolicyDocument"]["Statement"][0]["Condition"]
    assert publishers(resources) == set(), "those of any account"


KEY = "arn:aws:kms:eu-central-1:444455556666:key/1"


@pytest.mark.parametrize(("given", "wanted"), [({}, None), ({"DataKeyArn": KEY}, KEY)])
def test_database_and_brokers_have_the_key_that_was_chosen(given: dict[str, str], wanted: str | None) -> None:
    found = whole.resources(SOURCE, {"Profile": "prod"} | given)
    at_rest = found["Kafka.Cluster"]["Properties"]["EncryptionInfo"].get("EncryptionAtRest", {})

    assert found["Database.Cluster"]["Properties"].get("KmsKeyId") == wanted
    assert at_rest.get("DataVolumeKMSKeyId") == wanted


def key_policy() -> list[dict[str, Any]]:
    template = transformed.parsed(transformed.ROOT / "infrastructure" / "key.yaml")
    statements: list[dict[str, Any]] = template["Resources"]["Key"]["Properties"]["KeyPolicy"]["Statement"]
    return statements


@pytest.mark.parametrize(
    ("given", "capacity", "connections"),
    [
        ({"Profile": "dev"}, {"MinCapacity": "0", "MaxCapacity": "4", "SecondsUntilAutoPause": 600}, 320),
        ({"Profile": "prod"}, {"MinCapacity": "1", "MaxCapacity": "32"}, 4000),
        (
            {"Profile": "prod", "DatabaseMinimumCapacity": "8", "DatabaseMaximumCapacity": "64"},
            {"MinCapacity": "8", "MaxCapacity": "64"},
            4000,
        ),
        (
            {"Profile": "prod", "DatabaseMinimumCapacity": "0.5"},
            {"MinCapacity": "0.5", "MaxCapacity": "32"},
            1600,
        ),
        (
            {"Profile": "dev", "DatabaseMaximumCapacity": "8"},
            {"MinCapacity": "0", "MaxCapacity": "8", "SecondsUntilAutoPause": 600},
            1330,
        ),
    ],
)
def test_the_database_has_the_capacity_that_was_chosen_and_an_alarm_for_its_connections(
    given: dict[str, str], capacity: dict[str, Any], connections: int
) -> None:
    found = whole.resources(SOURCE, given)
    assert found["Database.Cluster"]["Properties"]["ServerlessV2ScalingConfiguration"] == capacity
    assert found["Database.DatabaseConnectionsAlarm"]["Properties"]["Threshold"] == connections


@pytest.mark.parametrize(("given", "size"), [({}, 10), ({"BrokerVolumeGb": "100"}, "100")])
def test_brokers_have_volumes_of_the_chosen_size(given: dict[str, str], size: object) -> None:
    cluster = whole.resources(SOURCE, DEV | given)["Kafka.Cluster"]["Properties"]
    assert cluster["BrokerNodeGroupInfo"]["StorageInfo"] == {"EBSStorageInfo": {"VolumeSize": size}}


@pytest.mark.parametrize(
    ("given", "is_allowed"),
    [
        *[(one, True) for one in ("", "0", "0.5", "1", "9.5", "10", "199.5", "255.5", "256")],
        *[(one, False) for one in ("0.0", "0.25", "00", "1.0", "256.5", "257", "300", "1,5", "-1")],
    ],
)
def test_a_capacity_is_one_that_aurora_has(given: str, is_allowed: bool) -> None:
    pattern = transformed.source()["Parameters"]["DatabaseMinimumCapacity"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, given)) is is_allowed


def test_the_key_outlives_its_stack_and_is_rotated() -> None:
    key = transformed.parsed(transformed.ROOT / "infrastructure" / "key.yaml")["Resources"]["Key"]

    assert key["DeletionPolicy"] == key["UpdateReplacePolicy"] == "Retain"
    assert key["Properties"]["EnableKeyRotation"] is True


def test_anybody_uses_the_key_through_a_service_and_in_this_account_alone() -> None:
    account = {"Ref": "AWS::AccountId"}
    for one in key_policy()[1:]:
        equals = one["Condition"]["StringEquals"]
        assert equals["kms:CallerAccount"] == account
        assert {service["Fn::Sub"].split(".")[0] for service in equals["kms:ViaService"]} <= {
            *("rds", "kafka", "secretsmanager")
        }
        assert "kms:*" not in one["Action"]
    [grant] = [one for one in key_policy() if one["Action"] == "kms:CreateGrant"]
    assert grant["Condition"]["Bool"] == {"kms:GrantIsForAWSResource": "true"}


@pytest.mark.parametrize("name", ["key", "deployer", "vault", "firewall"])
def test_what_is_deployed_by_itself_is_valid(name: str) -> None:
    text = (transformed.ROOT / "infrastructure" / f"{name}.yaml").read_text()

    assert [str(match) for match in lint(text, config=ManualArgs(regions=[transformed.REGION]))] == []


VAULT = "arn:aws:backup:eu-west-1:111122223333:backup-vault:copies"


def test_the_database_is_copied_to_another_region_every_day() -> None:
    found = whole.resources(SOURCE, {"Profile": "prod", "DatabaseCopyVaultArn": VAULT})
    [rule] = found["Backup.Plan"]["Properties"]["BackupPlan"]["BackupPlanRule"]
    [copied] = rule["CopyActions"]

    assert rule["TargetBackupVault"] == "<Backup.Vault>"
    assert rule["ScheduleExpression"] == "cron(0 2 * * ? *)"
    assert copied == {"DestinationBackupVaultArn": VAULT, "Lifecycle": {"DeleteAfterDays": 35}}
    selected = found["Backup.Selection"]["Properties"]["BackupSelection"]["Resources"]
    assert selected == ["<Database.Cluster@DBClusterArn>"]


SILENT = {"BACKUP_JOB_SUCCESSFUL", "BACKUP_JOB_FAILED", "BACKUP_JOB_EXPIRED"}
"""AWS Backup accepts these names, but no longer reports such events (PutBackupVaultNotifications)."""


def test_people_are_told_of_a_backup_that_failed() -> None:
    found = whole.resources(SOURCE, {"Profile": "prod", "DatabaseCopyVaultArn": VAULT})
    told = found["Backup.Vault"]["Properties"]["Notifications"]
    alarm = found["Backup.BackupFailedAlarm"]["Properties"]
    watched = [one["MetricStat"]["Metric"] for one in alarm["Metrics"] if "MetricStat" in one]

    assert told == {"SNSTopicArn": "<AlarmTopic>", "BackupVaultEvents": ["COPY_JOB_FAILED"]}
    assert SILENT.isdisjoint(told["BackupVaultEvents"])
    # AWS Backup Developer Guide: the vault name of copy jobs is that of their destination vault.
    assert {one["MetricName"]: one["Dimensions"] for one in watched} == {
        "NumberOfBackupJobsFailed": [{"Name": "BackupVaultName", "Value": "<Backup.Vault>"}],
        "NumberOfBackupJobsAborted": [{"Name": "BackupVaultName", "Value": "<Backup.Vault>"}],
        "NumberOfBackupJobsExpired": [{"Name": "BackupVaultName", "Value": "<Backup.Vault>"}],
        "NumberOfCopyJobsFailed": [{"Name": "BackupVaultName", "Value": "copies"}],
    }
    assert alarm["AlarmActions"] == ["<AlarmTopic>"]


@pytest.mark.parametrize(
    "given", [{}, {"DatabaseCopyVaultArn": VAULT, "DatabaseHost": "db.example.com", "VpcId": "vpc-1"}]
)
def test_nothing_is_copied_unless_there_is_a_vault_and_a_database_of_ours(given: dict[str, str]) -> None:
    found = whole.resources(SOURCE, {"Profile": "prod"} | given)

    assert [path for path in found if path.startswith("Backup")] == []


def test_aws_backup_may_do_what_its_own_policy_lets_it_do() -> None:
    found = whole.resources(SOURCE, {"Profile": "prod", "DatabaseCopyVaultArn": VAULT})

    assert deployer.granted({"Role": found["Backup.Role"]}) == published.AWS_BACKUP_COPIES_AURORA


def test_a_copy_outlives_the_stack_and_a_hasty_hand() -> None:
    vault = transformed.parsed(transformed.ROOT / "infrastructure" / "vault.yaml")["Resources"]["Vault"]

    assert vault["DeletionPolicy"] == "Retain"
    assert vault["Properties"]["LockConfiguration"]["MinRetentionDays"] == 7


# Records of who did what


def audited(**parameters: str) -> dict[str, Resource]:
    """What there is of the records, by name."""
    found = whole.resources(SOURCE, DEV | parameters)
    return {path.removeprefix("Audit."): one for path, one in found.items() if path.startswith("Audit.")}


def test_nothing_is_recorded_unless_somebody_wants_it() -> None:
    assert audited() == {}


def test_connections_of_the_new_network_are_recorded() -> None:
    found = audited(FlowLogs="true", AuditDays="30")

    assert found.keys() == {"Bucket", "BucketPolicy", "FlowLog"}
    flows = found["FlowLog"]["Properties"]
    assert (flows["ResourceType"], flows["ResourceId"]) == ("VPC", "<Network.Vpc>")
    assert flows["TrafficType"] == "ALL"
    assert flows["LogDestination"] == "<Audit.Bucket@Arn>"
    [rule] = found["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == "30"


def selected(**parameters: str) -> list[dict[str, Any]]:
    """The fields of each selector of the trail."""
    trail = audited(**parameters)["OperationsTrail"]["Properties"]
    return [
        {one.pop("Field"): one for one in copy.deepcopy(selector["FieldSelectors"])}
        for selector in trail["AdvancedEventSelectors"]
    ]


INVOCATIONS = {
    "eventCategory": {"Equals": ["Data"]},
    "resources.type": {"Equals": ["AWS::Lambda::Function"]},
    "resources.ARN": {"StartsWith": ["<OperationsFunction@Arn>"]},
}


def test_who_invokes_the_operations_is_recorded_and_nothing_else() -> None:
    assert selected(AuditTrail="operations") == [INVOCATIONS]


def test_who_reads_a_secret_is_a_management_event() -> None:
    """So it is recorded with all of these, except of two services whose calls would be most of them."""
    [invocations, management] = selected(AuditTrail="account")

    assert invocations == INVOCATIONS
    assert management == {
        "eventCategory": {"Equals": ["Management"]},
        "eventSource": {"NotEquals": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]},
    }


def writers(resources: dict[str, Resource]) -> dict[str, str]:
    """By service that may write into the bucket, whose writing that must be; "" for anybody's."""
    found: dict[str, str] = {}
    for one in resources["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]:
        if one["Effect"] == "Allow" and one["Action"] == "s3:PutObject":
            condition = one.get("Condition", {})
            both = condition.get("StringEquals", {}) | condition.get("ArnLike", {})
            assert one["Resource"] == f"<Audit.Bucket@Arn>/AWSLogs/{whole.ACCOUNT}/*"
            found[one["Principal"]["Service"]] = both.get("aws:SourceArn", "")
    return found


def test_only_aws_itself_and_for_this_stack_writes_records() -> None:
    found = audited(FlowLogs="true", AuditTrail="operations")
    trail = found["OperationsTrail"]["Properties"]
    here = f"{transformed.REGION}:{whole.ACCOUNT}"

    assert trail["S3BucketName"] == "<Audit.Bucket>"
    assert trail["IsLogging"] is trail["EnableLogFileValidation"] is True
    assert writers(found) == {
        "cloudtrail.amazonaws.com": f"arn:aws:cloudtrail:{here}:trail/{trail['TrailName']}",
        "delivery.logs.amazonaws.com": f"arn:aws:logs:{here}:*",
    }
    del found["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"][1]["Condition"]
    assert writers(found)["delivery.logs.amazonaws.com"] == "", "that bites"


def test_the_bucket_of_records_is_private_encrypted_and_outlives_the_stack() -> None:
    found = audited(AuditTrail="operations")
    bucket = found["Bucket"]

    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["Properties"]["PublicAccessBlockConfiguration"]) == 4
    assert "BucketEncryption" in bucket["Properties"]
    [by_tls, *_] = found["BucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert by_tls["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (by_tls["Effect"], by_tls["Principal"]) == ("Deny", "*")


def test_the_stack_s_role_may_make_that_bucket_and_no_other() -> None:
    name = audited(AuditTrail="operations")["Bucket"]["Properties"]["BucketName"]
    [statement] = [one for one in deployer.statements("StackParts") if "s3:CreateBucket" in one["Action"]]

    assert statement["Resource"]["Fn::Sub"].endswith(":s3:::checkout-audit-*")
    assert name.startswith("checkout-audit-")
