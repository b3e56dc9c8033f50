"""The permissions that AWS's own documentation asks for: data to hold the templates to, not our belief.

Copy a list again if its page changed; do not shorten one because something works without it.
"""

LAMBDA_READS_MSK = frozenset(
    {
        "kafka-cluster:Connect",
        "kafka-cluster:DescribeGroup",
        "kafka-cluster:AlterGroup",
        "kafka-cluster:DescribeTopic",
        "kafka-cluster:ReadData",
        "kafka-cluster:DescribeClusterDynamicConfiguration",
    }
)
"""What Lambda's poller does at the cluster, as the function's role.

AWS Lambda Developer Guide, Using Lambda with Amazon MSK, "IAM role-based authentication"
(https://docs.aws.amazon.com/lambda/latest/dg/with-msk.html)."""

_POLLER_IN_A_VPC = frozenset(
    {
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeVpcs",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }
)
"""What both of AWS's lists below share."""

LAMBDA_FINDS_MSK = _POLLER_IN_A_VPC | {"kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"}
"""The managed policy AWSLambdaMSKExecutionRole without two actions: kafka:DescribeCluster, because the guide
asks for it or for kafka:DescribeClusterV2, and logs:CreateLogGroup, because the groups are there already.

AWS Lambda Developer Guide, Managing access and permissions for an Amazon MSK cluster."""

LAMBDA_READS_ANY_KAFKA = _POLLER_IN_A_VPC | {"secretsmanager:GetSecretValue"}
"""Of a cluster that is not MSK's, in a VPC, signed in to by a secret; kms:Decrypt, too, if that has a key of
one's own. Without logs:CreateLogGroup, because the groups are there already.

AWS Lambda Developer Guide, Configuring Lambda execution role permissions for self-managed Apache Kafka
(https://docs.aws.amazon.com/lambda/latest/dg/with-kafka-permissions.html)."""

LAMBDA_IN_A_VPC = frozenset(
    {
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:DeleteNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    }
)
"""AWS Lambda Developer Guide, Giving Lambda functions access to resources in an Amazon VPC, "Required IAM
permissions" (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html)."""

DENIED_TO_CODE_IN_A_VPC = frozenset(
    {
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DetachNetworkInterface",
        "ec2:AssignPrivateIpAddresses",
        "ec2:UnassignPrivateIpAddresses",
    }
)
"""What a role denies on condition of lambda:SourceFunctionArn, which calls of the function's code have and
those of Lambda itself have not. The same page, "Security best practices"."""

AWS_BACKUP_COPIES_AURORA = frozenset(
    {
        "rds:AddTagsToResource",
        "rds:ListTagsForResource",
        "rds:CreateDBClusterSnapshot",
        "rds:DescribeDBClusters",
        "rds:DescribeDBClusterSnapshots",
        "rds:CopyDBClusterSnapshot",
        "rds:DescribeDBClusterAutomatedBackups",
        "rds:DeleteDBClusterSnapshot",
        "backup:DescribeBackupVault",
        "backup:CopyIntoBackupVault",
        "backup:CopyFromBackupVault",
        "backup:TagResource",
        "kms:DescribeKey",
        "kms:CreateGrant",
    }
)
"""The managed policy AWSBackupServiceRolePolicyForBackup, without other services, without instances, without
rds:ModifyDBClusterSnapshotAttribute, which shares a snapshot with another account, and without
rds:ModifyDBCluster and rds:DeleteDBClusterAutomatedBackup, which are for continuous backups.

AWS Backup Developer Guide, Managed policies for AWS Backup."""

STRIPE_CALLS_A_SECOND = 25
"""Of one operation, in live mode, unless Stripe was asked for more.

Stripe's documentation, Rate limits (https://docs.stripe.com/rate-limits)."""


def generated_name(stack: str, logical_id: str, longest: int) -> str:
    """What CloudFormation calls a resource without a name of its own, for a service whose names may have so
    many characters. AWS does not document how it shortens; names in public accounts all follow this rule
    (KensioSoftware/yulin #1113, convox/rack #2297)."""
    tail = "-ABCDEFGHIJKL"
    if len(whole := f"{stack}-{logical_id}{tail}") <= longest:
        return whole
    left = longest - len(tail) - 1
    return f"{stack[: (left + 1) // 2]}-{logical_id[: left // 2]}{tail}"
