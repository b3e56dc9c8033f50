"""OpenAPI's and AsyncAPI's documents, with their references resolved."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
OPENAPI = "docs/openapi.json"
ASYNCAPI = "docs/asyncapi.json"

Json = Mapping[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """A route of OpenAPI. `route` is as in template.yaml: `GET /checkout/balance`."""

    route: str
    content: Json

    @property
    def responses(self) -> Mapping[str, Json]:
        """By status."""
        found: Mapping[str, Json] = self.content["responses"]
        return found

    @property
    def parameters(self) -> Mapping[tuple[str, str], Json]:
        """By place (`query`, `path`, `header`) and name."""
        return {(one["in"], one["name"]): one for one in self.content.get("parameters", [])}

    @property
    def bodies(self) -> Mapping[str, Json]:
        """The schemas of the request's body, by media type."""
        content = self.content.get("requestBody", {}).get("content", {})
        return {media_type: one["schema"] for media_type, one in content.items()}


@dataclass(frozen=True)
class Message:
    """A message of AsyncAPI, as an operation (`send` or `receive`) has it."""

    topic: str
    action: str
    name: str
    content: Json

    @property
    def payload(self) -> Json:
        found: Json = self.content["payload"]
        return found


@cache
def openapi() -> Json:
    return read(OPENAPI)


@cache
def asyncapi() -> Json:
    return read(ASYNCAPI)


def read(path: str) -> Json:
    """Without references."""
    return resolved((ROOT / path).read_text("utf-8"))


def resolved(text: str) -> Json:
    document = json.loads(text)
    found: Json = _resolved(document, document)
    return found


def operations(document: Json) -> dict[str, Operation]:
    """By route."""
    found = (
        Operation(f"{method.upper()} {path}", item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    )
    return {operation.route: operation for operation in found}


def messages(document: Json) -> list[Message]:
    return [
        Message(operation["channel"]["address"], operation["action"], message["name"], message)
        for operation in document["operations"].values()
        for message in operation["messages"]
    ]


def schemas(schema: Json) -> Iterator[Json]:
    """The schema and all within it."""
    yield schema
    for within in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from schemas(within)


def _resolved(value: Any, document: Json) -> Any:
    """What stands beside `$ref` is added to what it leads to, as are the parts of `allOf`."""
    if isinstance(value, list):
        return [_resolved(one, document) for one in value]
    if not isinstance(value, dict):
        return value
    rest = {name: one for name, one in value.items() if name not in ("$ref", "allOf")}
    whole: dict[str, Any] = {}
    if "$ref" in value:
        whole = _merged(whole, _resolved(_target(value["$ref"], document), document))
    for part in value.get("allOf", []):
        whole = _merged(whole, _resolved(part, document))
    return _merged(whole, {name: _resolved(one, document) for name, one in rest.items()})


def _target(reference: str, document: Json) -> Any:
    """Raises KeyError if there is none."""
    found: Any = document
    for name in reference.removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found


def _merged(one: Json, other: Json) -> dict[str, Any]:
    """Both; where they differ, the `other`, which is narrower."""
    whole = dict(one)
    for name, value in other.items():
        if name == "properties" and name in whole:
            mine = whole[name]
            whole[name] = {**mine, **{key: _merged(mine.get(key, {}), new) for key, new in value.items()}}
        elif name == "required" and name in whole:
            whole[name] = [*whole[name], *(one for one in value if one not in whole[name])]
        else:
            whole[name] = value
    return whole
