"""The templates as CloudFormation gets them: transformed by SAM, without an account or a network."""

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
STACKS = ("network", "database", "kafka", "monitoring")

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
    content: Template = yaml_parse(path.read_text())
    return content


def source() -> Template:
    """The template of this project."""
    return parsed(ROOT / "template.yaml")


def nested(name: str) -> Template:
    """One of infrastructure/."""
    return parsed(ROOT / "infrastructure" / f"{name}.yaml")


def text_of(template: Template) -> str:
    """As YAML. Raises what `sam validate` would."""
    # Aliases stand for themselves here: what SAM changes in one place must not change in another.
    written = copy.deepcopy(yaml.safe_load(yaml.dump(_plain(template), Dumper=_NoAliases)))
    translated: str = SamTemplateValidator(
        written, _NoManagedPolicies(), region=REGION
    ).get_translated_template_if_valid()
    return translated


def transform(template: Template) -> Template:
    content: Template = yaml.safe_load(text_of(template))
    return content


@cache
def document() -> Template:
    """The project's own, transformed."""
    return transform(source())


def resolved(template: Template, **parameters: str) -> Template:
    """With parameters and mappings put in, and conditions decided; what is not there then is left out."""
    values = {
        name: declared.get("Default") for name, declared in template.get("Parameters", {}).items()
    } | parameters
    found: Template = _Resolver(template, values)(template)
    return found


def refused(template: Template, **parameters: str) -> list[str]:
    """What the template's Rules say against these parameters."""
    values = {name: declared.get("Default") for name, declared in template["Parameters"].items()} | parameters
    resolver = _Resolver(template, values)
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


_ABSENT = object()


class _Resolver:
    def __init__(self, template: Template, values: dict[str, Any]) -> None:
        self._values = values
        self._mappings = template.get("Mappings", {})
        self._conditions = template.get("Conditions", {})

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self, value) if item is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if value == {"Ref": "AWS::NoValue"}:
            return _ABSENT
        if value.keys() == {"Ref"} and value["Ref"] in self._values:
            return self._values[value["Ref"]]
        if value.keys() == {"Fn::If"}:
            name, then, otherwise = value["Fn::If"]
            return self(then if self.holds(self._conditions[name]) else otherwise)
        if value.keys() == {"Fn::FindInMap"}:
            name, top, second = map(self, value["Fn::FindInMap"])
            return self._mappings[name][top][second]
        if "Condition" in value and "Type" in value and not self.holds(self._conditions[value["Condition"]]):
            return _ABSENT
        found = ((key, self(item)) for key, item in value.items())
        return {key: item for key, item in found if item is not _ABSENT}

    def holds(self, condition: Any) -> bool:
        [(name, operands)] = condition.items()
        match name:
            case "Fn::Equals":
                one, other = (self._text(operand) for operand in operands)
                return one == other
            case "Fn::Not":
                return not self.holds(operands[0])
            case "Fn::And":
                return all(map(self.holds, operands))
            case "Fn::Or":
                return any(map(self.holds, operands))
        raise ValueError(f"a condition with {name}")

    def _text(self, value: Any) -> str:
        if isinstance(value, dict) and "Fn::Join" in value:
            return str(self(value["Fn::Join"][1]) or "")
        return str(self(value))


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
