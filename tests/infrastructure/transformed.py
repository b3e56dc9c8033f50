"""template.yaml as CloudFormation gets it: transformed by SAM, without an account or a network."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"

Resource = dict[str, Any]


class _NoManagedPolicies:
    """The template names none that SAM would have to look up."""

    def load(self) -> dict[str, str]:
        return {}


def parsed(path: Path) -> dict[str, Any]:
    """A template as written, with `{"Ref": …}` for `!Ref …`."""
    content: dict[str, Any] = yaml_parse(path.read_text())
    return content


def source() -> dict[str, Any]:
    """The template of this project."""
    return parsed(ROOT / "template.yaml")


@cache
def text() -> str:
    """As YAML. Raises what `sam validate` would."""
    validator = SamTemplateValidator(source(), _NoManagedPolicies(), region=REGION)
    translated: str = validator.get_translated_template_if_valid()
    return translated


@cache
def document() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(text())
    return content


def resources(kind: str) -> dict[str, Resource]:
    """The properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in document()["Resources"].items()
        if resource["Type"] == kind
    }
