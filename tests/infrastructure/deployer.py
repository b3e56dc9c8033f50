"""What infrastructure/deployer.yaml allows, next to what AWS's schemas and our own code ask for."""

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from deployment import names
from tests.infrastructure import transformed, whole
from tests.infrastructure.transformed import REGION, ROOT, Resource, Template

LONGEST_POLICY = 6144
"""Characters of a managed policy, without blanks. IAM's quota."""

Statement = Mapping[str, Any]


@cache
def template() -> Template:
    return transformed.parsed(ROOT / "infrastructure" / "deployer.yaml")


def statements(*policies: str, of: Template | None = None) -> list[Statement]:
    """Of managed policies of the template, by logical id."""
    resources = (of or template())["Resources"]
    return [one for name in policies for one in resources[name]["Properties"]["PolicyDocument"]["Statement"]]


def actions(found: Iterable[Statement]) -> set[str]:
    """Patterns of actions that are allowed."""
    return {action for one in found for action in listed(one["Action"])}


def allows(patterns: Iterable[str], action: str) -> bool:
    """IAM compares without case."""
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def named_after(parameter: str, *policies: str) -> Iterator[str]:
    """The patterns of resources and of conditions that have the parameter in them."""
    for one in statements(*policies):
        for text in _texts([one["Resource"], one.get("Condition")]):
            if f"${{{parameter}}}" in text:
                yield text


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def handled(kinds: Iterable[str]) -> dict[str, set[str]]:
    """By action, the resource types for which CloudFormation calls it, by AWS's own schemas."""
    found: dict[str, set[str]] = {}
    for kind in kinds:
        schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
        for verb, handler in schema.get("handlers", {}).items():
            for action in handler.get("permissions", ()) if verb != "list" else ():
                found.setdefault(action, set()).add(kind)
    return found


def kinds(shapes: Iterable[Mapping[str, str]]) -> set[str]:
    """The resource types of stacks with these parameters."""
    source = whole.source()
    found = {one["Type"] for shape in shapes for one in whole.resources(source, shape).values()}
    return {kind for kind in found if not kind.startswith("Custom::")}


def granted(resources: Mapping[str, Resource]) -> set[str]:
    """The actions of all roles of a stack."""
    return {
        action
        for one in resources.values()
        if one["Type"] == "AWS::IAM::Role"
        for policy in one["Properties"].get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }


def called() -> set[str]:
    """The actions of AWS that deployment/ calls, itself or to run a verb, by the services' models."""
    session = botocore.session.get_session()
    names, services = set(), set()
    remote = ROOT / "layers" / "common" / "checkout" / "operations" / "remote.py"
    for path in (*(ROOT / "deployment").glob("*.py"), remote):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    services.add(argument.value)
                    names.add(argument.value)  # A paginator's operation.
    known = services & set(session.get_available_services())
    return {
        f"{_PREFIXES.get(service, service)}:{'InvokeFunction' if operation == 'Invoke' else operation}"
        for service in known
        for operation in session.get_service_model(service).operation_names
        if xform_name(operation) in names
    }


_PREFIXES = {"service-quotas": "servicequotas"}


def length(policy: str) -> int:
    """Of a managed policy as IAM counts it, with the longest names."""
    given = {"StackName": "x" * names.LONGEST_NAME}
    found = transformed.resolved(template(), **given)["Resources"][policy]["Properties"]["PolicyDocument"]
    text = json.dumps(found, separators=(",", ":"))
    for name, value in _LONGEST.items():
        text = text.replace(f"${{{name}}}", value)
    return len(text)


_LONGEST = {
    "AWS::Partition": "aws-cn",
    "AWS::Region": "ap-southeast-1",
    "AWS::AccountId": "1" * 12,
    "StackName": "x" * names.LONGEST_NAME,
    "AWS::URLSuffix": "amazonaws.com.cn",
}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def of_iam(found: Iterable[Statement]) -> Iterator[Statement]:
    return (one for one in found if any(str(each).startswith("iam:") for each in listed(one["Action"])))
