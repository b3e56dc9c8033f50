"""infrastructure/deployer.yaml allows what a deployment does, and no role beyond its boundary."""

import copy
import itertools
import re
from fnmatch import fnmatchcase

import pytest

from deployment import names
from tests.infrastructure import deployer, published, whole
from tests.infrastructure.deployer import actions, allows, statements
from tests.infrastructure.transformed import ROOT

MORE = {"MonthlyBudgetUsd": "100", "StripeSecretReaders": "arn:aws:iam::111122223333:role/operator"}
EVERY_SHAPE = [shape | MORE for shape in whole.SHAPES.values()]
STACK_ROLE = ("StackParts", "StackData")

NOT_USED = {
    "addresses, subnets and gateways": "of kinds that the network does not have: "
    "ec2:Accept* ec2:AssociateAddress ec2:Assign* ec2:Unassign* ec2:AssociateNatGatewayAddress "
    "ec2:DisassociateNatGatewayAddress ec2:AssociateSubnetCidrBlock ec2:DisassociateSubnetCidrBlock "
    "ec2:*VpnGateway ec2:CreateVpcEncryptionControl ec2:ModifyVpcTenancy vpc-lattice:* vpce:*",
    "functions": "without file systems, code signing, data protection, other runtimes or capacity providers: "
    "elasticfilesystem:* s3files:* lambda:*CodeSigning* lambda:AssociateRuntimeAlias "
    "lambda:PutRuntimeManagementConfig lambda:PassCapacityProvider",
    "databases": "are restored by hand, and have no replicas, global clusters or Data API: "
    "rds:Restore* rds:*GlobalCluster* rds:*HttpEndpoint rds:*RoleFromDB* rds:*RoleToDB* rds:Promote* "
    "rds:St*AutomatedBackupsReplication rds:RemoveFromGlobalCluster",
    "logs": "without data protection, indexes, tokens or streams: "
    "logs:*DataProtectionPolicy logs:*IndexPolic* logs:*KmsKey logs:PutBearer* logs:*DeletionProtection "
    "firehose:* s3:REST*",
    "brokers": "have no certificates of a private authority: acm-pca:*",
    "the network": "is of no scaling group: autoscaling:*",
    "the bucket of records": "has none of S3's other features: "
    "s3tables:* s3:*BucketMetadata* s3:*AccelerateConfiguration s3:*AnalyticsConfiguration "
    "s3:*InventoryConfiguration s3:*MetricsConfiguration s3:*ReplicationConfiguration "
    "s3:*IntelligentTieringConfiguration s3:*ObjectLockConfiguration s3:*ObjectAcl s3:DeleteObject "
    "s3:DeleteBucketWebsite s3:DeleteBucketCors s3:DeleteBucketEncryption s3:DeleteBucketLifecycle "
    "s3:DeleteBucketReplication",
    "CloudFront": "with one distribution for itself: "
    "cloudfront:*ConnectionGroup cloudfront:*VpcOrigin cloudfront:*StagingConfig "
    "cloudfront:CreateDistributionWithTags",  # To IAM it is CreateDistribution and TagResource.
    "the trail": "has no insights, aggregations or organization: "
    "cloudtrail:*InsightSelectors cloudtrail:*EventConfiguration organizations:*",
    "secrets": "are not copied to other regions: secretsmanager:*Region*",
    "topics": "have no subscriptions in the template: sns:*ubscribe sns:*DataProtectionPolicy",
    "tags of the API": "are put and deleted like everything else of it: apigateway:*TagResource",
    "CodeDeploy": "for Lambda alone: codedeploy:RegisterOnPremisesInstance",
    "budgets": "of the account's own bill: billing:*",
    "roles": "keep their boundary: iam:DeleteRolePermissionsBoundary iam:ListRoles",
    "lists": "are not asked for to make a stack: cloudwatch:ListDashboards codedeploy:List* kafka:List*",
}
"""What AWS's schemas name for features that no resource of ours has: a reason, and the actions."""

OWN_REASONS = {
    "s3:GetObjectVersion": "uploads",
    "cloudformation:CreateChangeSet": "the transformation of SAM's template",
    "lambda:InvokeFunction": "the custom resource",
    "wafv2:GetWebACL": "whoever gives a distribution a web ACL may have to be able to see it",
}


def is_unused(action: str) -> bool:
    patterns = [word for told in NOT_USED.values() for word in told.split() if ":" in word.strip(":")]
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def missing(patterns: set[str]) -> set[str]:
    """What CloudFormation would be refused."""
    asked = deployer.handled(deployer.kinds(EVERY_SHAPE))
    return {action for action in asked if not allows(patterns, action) and not is_unused(action)}


def test_cloudformation_may_make_change_and_delete_every_resource() -> None:
    assert missing(actions(statements(*STACK_ROLE))) == set()


@pytest.mark.parametrize("action", ["kafka:CreateCluster*", "iam:PutRolePolicy", "logs:*LogDeliver*"])
def test_what_it_may_not_do_is_noticed(action: str) -> None:
    assert missing(actions(statements(*STACK_ROLE)) - {action}) != set()


def test_it_may_do_nothing_that_no_resource_needs() -> None:
    asked = deployer.handled(deployer.kinds(EVERY_SHAPE)).keys() | OWN_REASONS.keys()
    patterns = actions(statements(*STACK_ROLE))

    assert [pattern for pattern in sorted(patterns) if not any(allows([pattern], one) for one in asked)] == []


def test_every_role_that_it_makes_has_the_boundary() -> None:
    """Whoever may write the template could otherwise make an administrator."""
    bounded = {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}
    found = list(deployer.of_iam(statements(*STACK_ROLE)))
    free = actions(one for one in found if one.get("Condition") != bounded)
    for action in ("CreateRole", "PutRolePolicy", "AttachRolePolicy", "PutRolePermissionsBoundary"):
        assert not allows(free, f"iam:{action}")
    everything = actions(statements(*STACK_ROLE, "Plan", "Deployment"))
    for action in ("DeleteRolePermissionsBoundary", "CreatePolicyVersion", "CreateUser", "CreateAccessKey"):
        assert not allows(everything, f"iam:{action}")
    assert not allows(everything, "sts:AssumeRole")
    for one in found:
        assert one["Resource"] != "*"
        if "PassRole" in str(one["Action"]):
            assert "iam:PassedToService" in str(one["Condition"])


@pytest.mark.parametrize("shape", whole.SHAPES)
def test_the_boundary_has_room_for_every_role(shape: str) -> None:
    bound = actions(statements("Boundary"))
    tracing = {"TracingLayerArn": "arn:aws:lambda:eu-central-1:901920570463:layer:aws-otel:1"}

    assert deployer.granted(whole.resources(whole.source(), whole.SHAPES[shape] | tracing)) <= bound
    assert not any("*" in one or one.split(":")[0] in ("iam", "sts", "organizations") for one in bound)


def test_a_deployment_may_make_its_own_calls() -> None:
    patterns = actions(statements("Plan", "Deployment"))
    asked = deployer.called() - {"sts:GetCallerIdentity"}  # Which needs no permission.

    assert {"lambda:InvokeFunction", "cloudformation:SetStackPolicy", "kafka:ListKafkaVersions"} <= asked
    assert {action for action in asked if not allows(patterns, action)} == set()


def test_a_plan_changes_nothing_of_the_stack() -> None:
    """No reviewer is asked before it. sam makes its own bucket."""
    [bucket] = [one for one in statements("Plan") if one["Action"] == "cloudformation:ExecuteChangeSet"]
    assert bucket["Resource"]["Fn::Sub"].endswith(":stack/aws-sam-cli-managed-default/*")
    [never] = [one for one in statements("Plan") if one["Effect"] == "Deny"]
    assert (never["Action"], never["Resource"]) == ("cloudformation:CreateChangeSet", bucket["Resource"])
    assert never["Condition"] == {"Null": {"cloudformation:RoleArn": "false"}}, "not as StackRole"
    patterns = actions(one for one in statements("Plan") if one is not bucket)
    writing = {one for one in patterns if not one.split(":")[1].startswith(("Describe", "Get", "List"))}

    assert {one for one in writing if not one.startswith("s3:")} == {
        "cloudformation:CreateChangeSet",
        "iam:PassRole",
    }
    assert not allows(patterns, "secretsmanager:GetSecretValue")
    asked = {"cloudformation:ListChangeSets", "cloudformation:DescribeStacks", "kafka:ListKafkaVersions"}
    assert {one for one in asked if not allows(patterns, one)} == set()


@pytest.mark.parametrize(("role", "suffix"), [("Role", ""), ("PlanRole", "-plan")])
def test_github_s_identity_is_that_of_one_environment(role: str, suffix: str) -> None:
    properties = deployer.template()["Resources"][role]["Properties"]
    [statement] = properties["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": {
                "Fn::Sub": f"repo:${{Repository}}:environment:${{Environment}}{suffix}"
            },
        }
    }


@pytest.mark.parametrize(
    ("repository", "is_taken"),
    [
        ("", True),
        ("octo-org/octo.repo", True),
        ("octo-org@123456/octo.repo@456789", True),
        ("octo-org@123456/octo.repo", False),
        ("octo-org/octo.repo@456789", False),
        ("octo-org@id/octo.repo@456789", False),
        ("repo:octo-org/octo.repo", False),
        ("octo-org/*", False),
        ("octo-org@123456/octo.repo@*", False),
    ],
)
def test_a_repository_is_named_as_github_s_tokens_name_it(repository: str, is_taken: bool) -> None:
    """Those created since July 2026 have their ids in it. A part of these would match no token."""
    pattern = deployer.template()["Parameters"]["Repository"]["AllowedPattern"]
    assert bool(re.search(pattern, repository)) is is_taken


def test_the_rights_over_a_stack_reach_nothing_that_is_called_after_another() -> None:
    shipped = names.configured(ROOT / "samconfig.toml")
    assert shipped[:1] == ["checkout-dev"]
    others = [*shipped, *(f"{one}2" for one in shipped)]
    patterns = set(deployer.named_after("StackName", *STACK_ROLE, "Plan", "Deployment"))
    assert len(patterns) > 10
    for stack, other in itertools.permutations(others, 2):
        allowed = [pattern.replace("${StackName}", stack) for pattern in patterns]
        for pattern in patterns:
            theirs = pattern.replace("${StackName}", other).replace("*", "x")
            assert not [one for one in allowed if fnmatchcase(theirs, one)], theirs


LONG = 64
"""Characters of the name of a role, a function or a rule."""


def generated(stack: str) -> list[str]:
    """The names that CloudFormation gives to a stack's roles, functions and rules, nested ones included."""
    kinds = ("AWS::IAM::Role", "AWS::Lambda::Function", "AWS::Events::Rule")
    found = []
    for path, one in whole.resources(whole.source(), EVERY_SHAPE[1]).items():
        if one["Type"] in kinds and "FunctionName" not in one["Properties"]:
            *nested, name = path.split(".")
            parent = published.generated_name(stack, nested[0], 128) if nested else stack
            found.append(published.generated_name(parent, name, LONG))
    return found


def test_what_is_called_after_a_stack_keeps_its_name() -> None:
    longest = "x" * names.LONGEST_NAME
    found = generated(longest)
    assert len(found) > 30
    assert [one for one in found if not one.startswith(f"{longest}-")] == []
    assert [one for one in generated(f"{longest}x") if not one.startswith(f"{longest}x-")] != []
    pattern = deployer.template()["Parameters"]["StackName"]["AllowedPattern"]
    assert [bool(re.search(pattern, name)) for name in (longest, f"{longest}x")] == [True, False]
    assert [list(names.refused(name)) == [] for name in (longest, f"{longest}x")] == [True, False]


@pytest.mark.parametrize("policy", ["Boundary", "StackParts", "StackData", "Deployment", "Plan"])
def test_a_policy_is_not_too_long(policy: str) -> None:
    assert deployer.length(policy) <= deployer.LONGEST_POLICY


def test_a_boundary_that_is_not_required_is_noticed() -> None:
    broken = copy.deepcopy(deployer.template())
    [first, *_] = statements("StackParts", of=broken)
    del first["Condition"]  # type: ignore[attr-defined]
    free = actions(one for one in statements("StackParts", of=broken) if not one.get("Condition"))

    assert allows(free, "iam:CreateRole")
