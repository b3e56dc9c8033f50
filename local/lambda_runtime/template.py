"""What `template.yaml` declares: the functions, and what invokes each. There is no other list of them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from local.lambda_runtime.intrinsics import Loader, Resolver

_AS_IN_PRODUCTION = {"Profile": "prod"}
_NO_CLUSTER = "arn:aws:kafka:eu-central-1:000000000000:cluster/local/00000000-0000-0000-0000-000000000000-1"


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
    """An event source mapping of Kafka; the defaults are those of Lambda's event source mapping."""

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
    """After the first attempt; −1 means without limit."""


@dataclass(frozen=True)
class Function:
    """A function of the template, with the Globals merged in."""

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
    own_variables: frozenset[str] = frozenset()
    """The names of its own variables, even if only CloudFormation knows their values."""


@dataclass(frozen=True)
class Template:
    """Everything that the template declares; a function is called after its folder."""

    functions: Mapping[str, Function]
    layers: tuple[Path, ...]
    """Folders that are on every function's import path."""
    routes: tuple[Route, ...]
    schedules: tuple[Schedule, ...]
    kafka_triggers: tuple[KafkaTrigger, ...]
    variables: frozenset[str] = frozenset()
    """The names of all variables of functions, including those whose values only CloudFormation knows."""


def load(path: Path, **parameters: str) -> Template:
    """Read a SAM template. Raises TemplateError for what cannot be done here, OSError if there is no file.

    It is read as in production: parameters other than `Profile` and the given ones have their defaults. What
    only CloudFormation knows is left out.
    """
    written = yaml.load(path.read_text(), Loader=Loader)  # noqa: S506 - a SafeLoader with more tags
    declared = written.get("Parameters", {})
    given = {**_AS_IN_PRODUCTION, **parameters}
    document = Resolver(written, {name: given[name] for name in given.keys() & declared})(written)
    defaults = document.get("Globals", {}).get("Function", {})
    resources: dict[str, Any] = document.get("Resources", {})
    functions: dict[str, Function] = {}
    events: list[Route | Schedule] = []
    for logical_id, resource in resources.items():
        if resource.get("Type") == "AWS::Serverless::Function":
            properties = {**defaults, **resource["Properties"]}
            own = frozenset(_variables({"Resources": {logical_id: written["Resources"][logical_id]}}))
            function = replace(
                _function(path.parent, properties, defaults), logical_id=logical_id, own_variables=own
            )
            functions[function.name] = function
            events += _events(function.name, resource["Properties"].get("Events", {}))
    by_logical_id = {function.logical_id: function.name for function in functions.values()}
    return Template(
        functions=functions,
        layers=tuple(
            path.parent / resource["Properties"]["ContentUri"]
            for resource in resources.values()
            if resource.get("Type") == "AWS::Serverless::LayerVersion"
        ),
        routes=tuple(event for event in events if isinstance(event, Route)),
        schedules=tuple(event for event in events if isinstance(event, Schedule)),
        kafka_triggers=tuple(
            _kafka_trigger(by_logical_id[_invoked(written["Resources"][name])], resource["Properties"])
            for name, resource in resources.items()
            if resource.get("Type") == "AWS::Lambda::EventSourceMapping"
        ),
        variables=frozenset(_variables(written)),
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


def _events(function: str, events: Mapping[str, Any]) -> Iterator[Route | Schedule]:
    for name, event in events.items():
        properties = event.get("Properties", {})
        match event["Type"]:
            case "HttpApi":
                method = properties.get("Method", "ANY").upper()
                yield Route(function, method, properties.get("Path", "/{proxy+}"))
            case "Schedule" | "ScheduleV2":
                yield _schedule(function, name, properties)
            case other:
                raise TemplateError(f"{function}.{name}: events of type {other} do not exist on one machine")


def _schedule(function: str, name: str, properties: Mapping[str, Any]) -> Schedule:
    expression = properties.get("Schedule") or properties.get("ScheduleExpression", "")
    given = properties.get("Input")
    return Schedule(function, name, seconds(expression), json.loads(given) if given else None)


def seconds(expression: str) -> int:
    """The interval of `rate(…)` or `cron(…)` in seconds. Only minutes and hours of cron are understood."""
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


def _invoked(mapping: Mapping[str, Any]) -> str:
    """The logical id in `!Ref OneFunction.Alias`, which only CloudFormation resolves."""
    return str(mapping["Properties"]["FunctionName"]["Ref"]).partition(".")[0]


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
        group=properties.get("AmazonManagedKafkaEventSourceConfig", {}).get("ConsumerGroupId", function),
        source_arn=properties.get("EventSourceArn", _NO_CLUSTER),
        from_beginning=position == "TRIM_HORIZON",
        batch_size=batch_size,
        window_seconds=float(properties.get("MaximumBatchingWindowInSeconds", KafkaTrigger.window_seconds)),
        partial_responses="ReportBatchItemFailures" in properties.get("FunctionResponseTypes", []),
        bisect=bool(properties.get("BisectBatchOnFunctionError", False)),
        maximum_retries=int(properties.get("MaximumRetryAttempts", KafkaTrigger.maximum_retries)),
    )
