"""What keeps a stack of production from losing what it holds: termination protection, and a stack policy.

The policy refuses every update that would replace or remove a resource with state, or the nested stack around
it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3

STATEFUL = frozenset(
    {
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::Subnet",
        "AWS::EC2::VPC",
        "AWS::MSK::Cluster",
        "AWS::MSK::ServerlessCluster",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::RDS::DBProxy",
        "AWS::RDS::DBSubnetGroup",
        "AWS::SecretsManager::Secret",
    }
)

_NESTED = "AWS::CloudFormation::Stack"
_ALLOW: dict[str, Any] = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}


@dataclass(frozen=True)
class _Stack:
    """A stack by name or ARN, with the logical ids in it that may be neither replaced nor removed."""

    name: str
    kept: tuple[str, ...]


def protect(stack: str) -> None:
    """Protect the stack and its nested ones. Raises what boto3 raises."""
    for found in _stacks(_client(), stack):
        _client().set_stack_policy(StackName=found.name, StackPolicyBody=policy(found.kept))
    _client().update_termination_protection(StackName=stack, EnableTerminationProtection=True)


def release(stack: str) -> None:
    """Let the next update and deletion do what it says; the next deployment protects again."""
    for found in _stacks(_client(), stack):
        _client().set_stack_policy(StackName=found.name, StackPolicyBody=policy(()))
    _client().update_termination_protection(StackName=stack, EnableTerminationProtection=False)


def policy(kept: tuple[str, ...]) -> str:
    """A stack policy. CloudFormation refuses one that names a logical id which the stack does not have."""
    refused = {
        "Effect": "Deny",
        "Action": ["Update:Replace", "Update:Delete"],
        "Principal": "*",
        "Resource": [f"LogicalResourceId/{name}" for name in kept],
    }
    return json.dumps({"Statement": [_ALLOW, refused] if kept else [_ALLOW]})


def _stacks(client: Any, stack: str) -> Iterator[_Stack]:
    """The innermost first, also those with nothing to keep, whose policy may still name something."""
    kept = []
    pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
    for one in (resource for page in pages for resource in page["StackResourceSummaries"]):
        if one["ResourceStatus"].startswith("DELETE_"):
            continue  # It has left the stack, or is only a memory.
        if one["ResourceType"] == _NESTED:
            nested = list(_stacks(client, one["PhysicalResourceId"]))
            yield from nested
            if any(found.kept for found in nested):
                kept.append(one["LogicalResourceId"])
        elif one["ResourceType"] in STATEFUL:
            kept.append(one["LogicalResourceId"])
    yield _Stack(stack, tuple(sorted(kept)))


def _client() -> Any:
    return boto3.client("cloudformation")
