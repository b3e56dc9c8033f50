"""What `template.yaml` declares: the functions, and what invokes each. There is no other list of them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml


class TemplateError(ValueError):
    """The template says something that this machine cannot do."""


@dataclass(frozen=True)
class Route:
    """An HTTP API event: `path` can hold `{name}` and, at the end, `{name+}`; `method` can be ANY."""

    function: str
    method: str
    path: str

    @property
    def key(self) -> str:
        """As in `requestContext.routeKey`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Schedule:
    """A schedule event; `input` is what the function gets, None meaning EventBridge's own event."""

    function: str
    name: str
    seconds: int
    input: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class KafkaTrigger:
    """An MSK event; the defaults are those of Lambda's event source mapping."""

    function: str
    topic: str
    group: str
    source_arn: str
    from_beginning: bool = True
    batch_size: int = 100
    window_seconds: float = 0.5
    partial_responses: bool = False
    bisect: bool = False
    maximum_retries: int = -1
    """After the first attempt; −1 means without end."""


@dataclass(frozen=True)
class Function:
    """A function of the template, its Globals merged in."""

    name: str
    folder: Path
    handler: str
    timeout: int
    """Seconds."""
    memory: int
    """MB."""
    environment: Mapping[str, str] = field(default_factory=dict)
    logical_id: str = ""
    """The resource's name in the template."""


@dataclass(frozen=True)
class Template:
    """Everything that the template declares; functions go by the name of their folder."""

    functions: Mapping[str, Function]
    layers: tuple[Path, ...]
    """Folders that are on every function's import path."""
    routes: tuple[Route, ...]
    schedules: tuple[Schedule, ...]
    kafka_triggers: tuple[KafkaTrigger, ...]
    variables: frozenset[str] = frozenset()
    """Names of all variables that functions have, also of those whose values only CloudFormation knows."""


def load(path: Path) -> Template:
    """Read a SAM template. Raises TemplateError for what cannot be done here, OSError where there is none.

    It is read as in production: parameters have their defaults, but for `Profile`. What only CloudFormation
    knows is left out.
    """
    document = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader with more tags
    parameters = {
        name: declared["Default"]
        for name, declared in document.get("Parameters", {}).items()
        if "Default" in declared
    }
    parameters |= {name: value for name, value in _AS_IN_PRODUCTION.items() if name in parameters}
    variables = frozenset(_variables(document))
    resolve = _Resolver(parameters, document.get("Mappings", {}), document.get("Conditions", {}))
    document = resolve(document)
    defaults = document.get("Globals", {}).get("Function", {})
    resources: dict[str, Any] = document.get("Resources", {})
    functions: dict[str, Function] = {}
    events: list[Route | Schedule | KafkaTrigger] = []
    for logical_id, resource in resources.items():
        if resource.get("Type") == "AWS::Serverless::Function":
            properties = {**defaults, **resource["Properties"]}
            function = replace(_function(path.parent, properties, defaults), logical_id=logical_id)
            functions[function.name] = function
            events += _events(function.name, resource["Properties"].get("Events", {}))
    return Template(
        functions=functions,
        layers=tuple(
            path.parent / resource["Properties"]["ContentUri"]
            for resource in resources.values()
            if resource.get("Type") == "AWS::Serverless::LayerVersion"
        ),
        routes=tuple(event for event in events if isinstance(event, Route)),
        schedules=tuple(event for event in events if isinstance(event, Schedule)),
        kafka_triggers=tuple(event for event in events if isinstance(event, KafkaTrigger)),
        variables=variables,
    )


def _variables(document: Mapping[str, Any]) -> Iterator[str]:
    yield from document.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    for resource in document.get("Resources", {}).values():
        yield from resource.get("Properties", {}).get("Environment", {}).get("Variables", {})


def _function(root: Path, properties: Mapping[str, Any], defaults: Mapping[str, Any]) -> Function:
    variables = {
        **defaults.get("Environment", {}).get("Variables", {}),
        **properties.get("Environment", {}).get("Variables", {}),
    }
    folder = root / properties["CodeUri"]
    return Function(
        name=folder.name,
        folder=folder,
        handler=properties["Handler"],
        timeout=int(properties.get("Timeout", 3)),
        memory=int(properties.get("MemorySize", 128)),
        environment={name: str(value) for name, value in variables.items()},
    )


def _events(function: str, events: Mapping[str, Any]) -> Iterator[Route | Schedule | KafkaTrigger]:
    for name, event in events.items():
        properties = event.get("Properties", {})
        match event["Type"]:
            case "HttpApi":
                method = properties.get("Method", "ANY").upper()
                yield Route(function, method, properties.get("Path", "/{proxy+}"))
            case "Schedule" | "ScheduleV2":
                yield _schedule(function, name, properties)
            case "MSK":
                yield _kafka_trigger(function, properties)
            case other:
                raise TemplateError(f"{function}.{name}: events of type {other} do not exist on one machine")


def _schedule(function: str, name: str, properties: Mapping[str, Any]) -> Schedule:
    expression = properties.get("Schedule") or properties.get("ScheduleExpression", "")
    given = properties.get("Input")
    return Schedule(function, name, seconds(expression), json.loads(given) if given else None)


def seconds(expression: str) -> int:
    """How often `rate(…)` or `cron(…)` fires. Of a cron expression, minutes and hours are understood."""
    if found := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return int(found[1]) * {"minute": 60, "hour": 3600, "day": 86400}[found[2]]
    if found := re.fullmatch(r"cron\((\S+) (\S+) [*?] \* [*?] \*\)", expression):
        for value, unit, whole in ((found[1], 60, 3600), (found[2], 3600, 86400)):
            if value == "*":
                return unit
            if step := re.fullmatch(r"(?:\*|\d+)/(\d+)", value):
                return int(step[1]) * unit
            if not value.isdigit():
                break
            if whole == 86400:
                return whole
    raise TemplateError(f"the schedule {expression!r} is not understood here")


def _kafka_trigger(function: str, properties: Mapping[str, Any]) -> KafkaTrigger:
    if "FilterCriteria" in properties:
        raise TemplateError(f"{function}: FilterCriteria are not understood here")
    topics = properties["Topics"]
    if len(topics) != 1:
        raise TemplateError(f"{function}: a trigger has exactly one topic")
    position = properties["StartingPosition"]
    if position not in ("TRIM_HORIZON", "LATEST"):
        raise TemplateError(f"{function}: the starting position {position} is not understood here")
    batch_size = int(properties.get("BatchSize", KafkaTrigger.batch_size))
    if not 1 <= batch_size <= 10_000:
        raise TemplateError(f"{function}: BatchSize is 1 to 10,000")
    return KafkaTrigger(
        function=function,
        topic=topics[0],
        group=properties.get("ConsumerGroupId", function),
        source_arn=properties.get("Stream", _NO_CLUSTER),
        from_beginning=position == "TRIM_HORIZON",
        batch_size=batch_size,
        window_seconds=float(properties.get("MaximumBatchingWindowInSeconds", KafkaTrigger.window_seconds)),
        partial_responses="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        bisect=bool(properties.get("BisectBatchOnFunctionError", False)),
        maximum_retries=int(properties.get("MaximumRetryAttempts", KafkaTrigger.maximum_retries)),
    )


class _Loader(yaml.SafeLoader):
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


_Loader.add_multi_constructor("!", _construct_tag)

_UNKNOWN = object()
_NO_CLUSTER = "arn:aws:kafka:eu-central-1:000000000000:cluster/local/00000000-0000-0000-0000-000000000000-1"
_AS_IN_PRODUCTION = {"Profile": "prod"}


class _Resolver:
    """Values with what is known put in, and what is not left out of its container."""

    def __init__(
        self, parameters: Mapping[str, Any], mappings: Mapping[str, Any], conditions: Mapping[str, Any]
    ) -> None:
        self._parameters = parameters
        self._mappings = mappings
        self._conditions = conditions

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list):
            return [item for item in map(self, value) if item is not _UNKNOWN]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(key, operand)] = value.items()
            if key == "Ref":
                return self._parameters.get(operand, _UNKNOWN)
            if str(key).startswith("Fn::"):
                return self._function(key.removeprefix("Fn::"), operand)
        resolved = ((key, self(item)) for key, item in value.items())
        return {key: item for key, item in resolved if item is not _UNKNOWN}

    def _function(self, name: str, operand: Any) -> Any:
        match name:
            case "Sub" if isinstance(operand, str):
                names = re.findall(r"\$\{([^}]+)}", operand)
                if set(names) <= self._parameters.keys():
                    return re.sub(r"\$\{([^}]+)}", lambda found: str(self._parameters[found[1]]), operand)
            case "If":
                holds = self._holds(self._conditions.get(operand[0]))
                return _UNKNOWN if holds is None else self(operand[1 if holds else 2])
            case "FindInMap":
                return _in(self._mappings, [self(part) for part in operand])
        return _UNKNOWN

    def _holds(self, condition: Any) -> bool | None:
        """None where only CloudFormation knows."""
        if not isinstance(condition, dict):
            return None
        [(name, operands)] = condition.items()
        if name == "Fn::Equals":
            one, other = map(self, operands)
            return None if _UNKNOWN in (one, other) else str(one) == str(other)
        found = [self._holds(operand) for operand in operands] if isinstance(operands, list) else []
        if not found or None in found:
            return None
        return {"Fn::Not": not found[0], "Fn::And": all(found), "Fn::Or": any(found)}.get(name)


def _in(mappings: Mapping[str, Any], names: list[Any]) -> Any:
    found: Any = mappings
    for name in names:
        found = found.get(name, _UNKNOWN) if isinstance(found, dict) else _UNKNOWN
    return found
