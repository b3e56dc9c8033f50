"""The templates as CloudFormation gets them: transformed by SAM, without an account or a network."""

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

from local.lambda_runtime.intrinsics import Resolver, SafeLoader

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
STACKS = ("network", "database", "backup", "kafka", "audit", "edge", "monitoring")

Template = dict[str, Any]
Resource = dict[str, Any]


@dataclass(frozen=True)
class Templates:
    """The application's as written and transformed, and the nested ones; by a profile's conditions."""

    source: Template
    application: Template
    nested: dict[str, Template]


class _NoManagedPolicies:
    """The template names none that SAM would have to look up."""

    def load(self) -> dict[str, str]:
        return {}


def parsed(path: Path) -> Template:
    """A template as written, with `{"Ref": …}` for `!Ref …`."""
    return copy.deepcopy(_read(path.read_text()))


@cache
def _read(text: str) -> Template:
    content: Template = yaml_parse(text)
    return content


def source() -> Template:
    """The template of this project."""
    return parsed(ROOT / "template.yaml")


def nested(name: str) -> Template:
    """One of infrastructure/."""
    return parsed(ROOT / "infrastructure" / f"{name}.yaml")


def text_of(template: Template) -> str:
    """As YAML. Raises what `sam validate` would."""
    translated: str = SamTemplateValidator(
        _copied(template), _NoManagedPolicies(), region=REGION
    ).get_translated_template_if_valid()
    return translated


def transform(template: Template) -> Template:
    content: Template = yaml.load(text_of(template), Loader=SafeLoader)  # noqa: S506
    return content


@cache
def document() -> Template:
    """The project's own, transformed."""
    return transform(source())


def resolved(template: Template, **parameters: str) -> Template:
    """With parameters and mappings put in, and conditions decided; what is not there then is left out."""
    found: Template = Resolver(template, parameters, keep_unknown=True)(template)
    return found


def refused(template: Template, **parameters: str) -> list[str]:
    """What the template's Rules say against these parameters."""
    resolver = Resolver(template, parameters, keep_unknown=True)
    return [
        assertion["AssertDescription"]
        for rule in template.get("Rules", {}).values()
        if resolver.holds(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not resolver.holds(assertion["Assert"])
    ]


def of_type(template: Template, kind: str) -> dict[str, Resource]:
    """The properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def _copied(value: Any) -> Any:
    """Aliases are copies of their own: what SAM changes in one place must not change in another."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
