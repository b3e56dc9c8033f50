"""A first deployment without the application: of network, database, Kafka, and what these refer to.

They take nearly all of its time, and hardly anything of them can be changed later. The whole template then
updates the same stack, in which they stay as they are.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from samcli.yamlhelper import yaml_parse

from deployment import ROOT, preflight

PARTS = ("Network", "Database", "Kafka")
WRITTEN = ROOT / ".aws-sam" / "infrastructure.json"

_KEPT = ("AWSTemplateFormatVersion", "Description", "Parameters", "Rules", "Mappings", "Conditions")
_NESTED = "AWS::CloudFormation::Stack"

Template = Mapping[str, Any]


def write(template: Path = ROOT / "template.yaml", target: Path = WRITTEN) -> Path:
    """Write it, and return where it is."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(reduced(yaml_parse(template.read_text()), template.parent), indent=2))
    return target


def has_functions(stack: str) -> bool:
    """Return False for a stack that is not there, or has no functions yet. Raises what boto3 raises."""
    if preflight.status_of(stack) is None:
        return False
    pages = boto3.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    found = [one for page in pages for one in page["StackResourceSummaries"]]
    kinds = {one["ResourceType"] for one in found if one["ResourceStatus"] != "DELETE_COMPLETE"}
    return "AWS::Lambda::Function" in kinds


def reduced(template: Template, folder: Path) -> dict[str, Any]:
    """The template with PARTS and what they refer to. Nested templates are found from `folder`."""
    resources = {name: template["Resources"][name] for name in _closure(template["Resources"])}
    return {
        **{name: template[name] for name in _KEPT if name in template},
        "Resources": {name: _found_from(folder, one) for name, one in sorted(resources.items())},
    }


def _closure(resources: Template) -> set[str]:
    found: set[str] = set()
    left = set(PARTS)
    while left:
        found |= left
        left = {name for one in left for name in referred(resources[one])} & resources.keys() - found
    return found


def referred(value: Any) -> Iterator[str]:
    """Names in Ref, Fn::GetAtt, Fn::Sub and DependsOn; also of parameters."""
    if isinstance(value, list):
        for one in value:
            yield from referred(one)
    if not isinstance(value, dict):
        return
    for key, one in value.items():
        match key, one:
            case ("Ref" | "DependsOn", str()):
                yield one
            case ("DependsOn", list()):
                yield from one
            case ("Fn::GetAtt", str()):
                yield one.partition(".")[0]
            case ("Fn::GetAtt", list()):
                yield one[0]
            case ("Fn::Sub", str()):
                yield from re.findall(r"\$\{(\w+)[.}]", one)
            case ("Fn::Sub", [str(text), *_]):
                yield from re.findall(r"\$\{(\w+)[.}]", text)
        yield from referred(one)


def _found_from(folder: Path, resource: Template) -> Template:
    if resource["Type"] != _NESTED:
        return resource
    properties = resource["Properties"]
    return {**resource, "Properties": {**properties, "TemplateURL": str(folder / properties["TemplateURL"])}}
