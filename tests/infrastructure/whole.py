"""The whole stack of a profile: the resources of all templates, with every intrinsic function carried out.

What AWS makes up has a name in angle brackets: `<Network.Vpc>` is what a `Ref` to the network's VPC gives,
and `<Network.Vpc@CidrBlock>` what a `GetAtt` gives. Such names are ordinary text: joins and splits keep them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.infrastructure import transformed
from tests.infrastructure.transformed import REGION, Resource, Template

ACCOUNT = "111122223333"
STACK = "checkout"

SHAPES = {
    "dev": {"Profile": "dev"},
    "prod": {"Profile": "prod", "InterfaceEndpoints": "true", "DatabaseCopyVaultArn": "arn:aws:backup:x"},
    "serverless": {"Profile": "prod", "KafkaBrokerType": "serverless"},
    "own domain": {
        "Profile": "dev",
        "CertificateArn": "arn:aws:acm:x",
        "PublicOrigin": "https://pay.example",
    },
    "behind CloudFront": {
        "Profile": "dev",
        "CertificateArn": "arn:aws:acm:x",
        "PublicOrigin": "https://pay.example",
        "EdgeCertificateArn": "arn:aws:acm:us-east-1:x",
        "EdgeWebAclArn": "arn:aws:wafv2:us-east-1:x:global/webacl/x",
    },
    "audited": {"Profile": "dev", "FlowLogs": "true", "AuditTrail": "account"},
}
"""Parameters of the application that change which resources there are."""

_REFERENCE = re.compile(r"<([A-Za-z0-9.]+)(?:@[A-Za-z0-9.]+)?>")

Name = Callable[[str, str, str | None], str]
"""What AWS makes up for (path, type, attribute); the attribute is None for a `Ref`."""


@dataclass(frozen=True)
class Source:
    """The application transformed by SAM, and its nested templates by the path that it names."""

    application: Template
    nested: Mapping[str, Template]


def source() -> Source:
    """This project's."""
    paths = (f"infrastructure/{name}.yaml" for name in transformed.STACKS)
    return Source(
        transformed.document(), {path: transformed.parsed(transformed.ROOT / path) for path in paths}
    )


def symbol(path: str, _kind: str, attribute: str | None) -> str:
    """A name in angle brackets."""
    return f"<{path}@{attribute}>" if attribute else f"<{path}>"


def resources(
    found: Source, parameters: Mapping[str, str] | None = None, name: Name = symbol
) -> dict[str, Resource]:
    """By path (`Network.Vpc`): type, policies and properties. `parameters` are the application's."""
    all_of_them: dict[str, Resource] = {}
    _Stack(found, found.application, STACK, "", parameters or {}, name).collect(all_of_them)
    return all_of_them


def referred(value: Any) -> set[str]:
    """The paths of the resources whose names are somewhere in a value."""
    return set(_REFERENCE.findall(str(value)))


class _Stack:
    """`at` is the path of the nested stack, with its dot; "" for the application."""

    def __init__(
        self, found: Source, template: Template, stack: str, at: str, given: Mapping[str, str], name: Name
    ) -> None:
        self._source, self._at, self._name, self._stack = found, at, name, stack
        declared = template.get("Parameters", {})
        values = {key: one.get("Default", f"<{key}>") for key, one in declared.items()} | dict(given)
        for key, one in declared.items():
            if one["Type"] == "CommaDelimitedList":
                values[key] = [part for part in str(values[key]).split(",") if part]
        self._parameters = values
        self._template = transformed.resolved(template, **values)
        self._nested: dict[str, _Stack] = {}

    def collect(self, into: dict[str, Resource]) -> None:
        for key, resource in self._template["Resources"].items():
            if resource["Type"] == "AWS::CloudFormation::Stack":
                self._stack_of(key).collect(into)
            into[self._at + key] = self._value({name: resource[name] for name in resource.keys() - _UNREAD})

    def _stack_of(self, key: str) -> "_Stack":
        if key not in self._nested:
            properties = self._template["Resources"][key]["Properties"]
            template = self._source.nested[properties["TemplateURL"]]
            given = {name: str(self._value(one)) for name, one in properties.get("Parameters", {}).items()}
            self._nested[key] = _Stack(
                self._source, template, f"{self._stack}-{key}", f"{self._at}{key}.", given, self._name
            )
        return self._nested[key]

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, operands)] = value.items()
            match function:
                case "Ref":
                    return self._pseudo(operands) or self._made(operands, None)
                case "Fn::GetAtt":
                    key, _, attribute = ".".join(operands).partition(".")
                    return self._attribute(key, attribute)
                case "Fn::Sub":
                    return self._sub(*(operands if isinstance(operands, list) else (operands, {})))
                case "Fn::Join":
                    between, parts = self._value(operands)
                    return between.join(map(str, parts if isinstance(parts, list) else [parts]))
                case "Fn::Split":
                    between, text = self._value(operands)
                    return text.split(between)
                case "Fn::Select":
                    number, parts = self._value(operands)
                    return parts[int(number)] if int(number) < len(parts) else "<none>"
                case "Fn::GetAZs":
                    return [f"<zone{number}>" for number in range(3)]
        return {key: self._value(item) for key, item in value.items()}

    def _sub(self, text: str, own: dict[str, Any]) -> str:
        def put_in(match: re.Match[str]) -> str:
            name = match[1]
            if name in own:
                return str(self._value(own[name]))
            if name in self._parameters:
                return str(self._parameters[name])
            return str(self._value({"Fn::GetAtt": [name]} if "." in name else {"Ref": name}))

        return re.sub(r"\$\{([^!}]+)\}", put_in, text)

    def _pseudo(self, name: str) -> str | None:
        return {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::Region": REGION,
            "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{self._stack}/{self._stack}-id",
            "AWS::StackName": self._stack,
            "AWS::URLSuffix": "amazonaws.com",
        }.get(name)

    def _attribute(self, key: str, attribute: str) -> Any:
        resource = self._template["Resources"].get(key, {})
        if resource.get("Type") != "AWS::CloudFormation::Stack":
            return self._made(key, attribute)
        nested = self._stack_of(key)
        return nested._value(nested._template["Outputs"][attribute.removeprefix("Outputs.")]["Value"])

    def _made(self, key: str, attribute: str | None) -> str:
        kind = self._template["Resources"].get(key, {}).get("Type", "")
        return self._name(self._at + key, kind, attribute)


_UNREAD = {"Metadata", "DependsOn", "UpdatePolicy"}


def source_in(root: Path) -> Source:
    """Of another working tree."""
    application = transformed.transform(transformed.parsed(root / "template.yaml"))
    paths = {
        one["TemplateURL"] for one in transformed.of_type(application, "AWS::CloudFormation::Stack").values()
    }
    return Source(application, {path: transformed.parsed(root / path) for path in paths})
