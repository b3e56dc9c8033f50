"""CloudFormation's own functions in a template: read from YAML, and resolved as far as they can be here."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

_ABSENT = object()
_NAMES = re.compile(r"\$\{([^}]+)}")


SafeLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The parser in C, if PyYAML has it here, takes a sixth of the time, and every command reads the template."""


class Loader(SafeLoader):  # type: ignore[misc, valid-type]
    """Reads `!Name value` as `{"Fn::Name": value}`, and `!Ref` as `{"Ref": …}`."""


def _construct_tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    return {"Ref" if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _construct_tag)


class Resolver:
    """Puts parameters and mappings into a template, and decides its conditions."""

    def __init__(
        self, template: Mapping[str, Any], parameters: Mapping[str, Any], *, keep_unknown: bool = False
    ) -> None:
        """`parameters` win over the template's defaults.

        What only CloudFormation knows is left out of its container, or kept as written with `keep_unknown`.
        """
        declared = template.get("Parameters", {}).items()
        defaults = {name: one["Default"] for name, one in declared if "Default" in one}
        self._parameters = {**defaults, **parameters}
        self._mappings = template.get("Mappings", {})
        self._conditions = template.get("Conditions", {})
        self._keep_unknown = keep_unknown

    def __call__(self, value: Any) -> Any:
        """The value, resolved. A resource whose condition does not hold is left out."""
        if isinstance(value, list):
            return [item for item in map(self, value) if item is not _ABSENT]
        if not isinstance(value, dict) or value == {"Ref": "AWS::NoValue"}:
            return _ABSENT if isinstance(value, dict) else value
        if len(value) == 1:
            [(name, operand)] = value.items()
            if (found := self._function(str(name), operand)) is not None:
                return found
            if not self._keep_unknown and (name == "Ref" or str(name).startswith("Fn::")):
                return _ABSENT
        if "Type" in value and self.holds({"Condition": value.get("Condition")}) is False:
            return _ABSENT
        resolved = ((key, self(item)) for key, item in value.items())
        return {key: item for key, item in resolved if item is not _ABSENT}

    def holds(self, condition: Any) -> bool | None:
        """Return whether a condition holds, or None if only CloudFormation knows."""
        operands: Any
        [(name, operands)] = condition.items() if isinstance(condition, dict) else [("", None)]
        match name:
            case "Condition" | "Ref":
                return self.holds(self._conditions.get(operands))
            case "Fn::Equals":
                one, other = map(self, operands)
                return None if _ABSENT in (one, other) else str(one) == str(other)
            case "Fn::Not" | "Fn::And" | "Fn::Or":
                found = [self.holds(operand) for operand in operands]
                if None in found:
                    return None
                return {"Fn::Not": not found[0], "Fn::And": all(found), "Fn::Or": any(found)}[name]
        return None

    def _function(self, name: str, operand: Any) -> Any:
        """The result of a function, or None if it is not known here."""
        match name:
            case "Ref":
                return self._parameters.get(operand)
            case "Fn::Sub" if isinstance(operand, str) and not self._keep_unknown:
                if self._parameters.keys() >= set(_NAMES.findall(operand)):
                    return _NAMES.sub(lambda found: str(self._parameters[found[1]]), operand)
            case "Fn::Join":
                parts = self(operand[1])
                if isinstance(parts, str):
                    return parts  # A list that was given as one string.
                if isinstance(operand[1], dict) and isinstance(parts, list):
                    return operand[0].join(parts) if all(isinstance(one, str) for one in parts) else None
            case "Fn::If":
                holds = self.holds({"Condition": operand[0]})
                return None if holds is None else self(operand[1 if holds else 2])
            case "Fn::FindInMap":
                found: Any = self._mappings
                for key in map(self, operand):
                    found = found.get(key) if isinstance(found, dict) else None
                return found
        return None
