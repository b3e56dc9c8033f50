"""What a change of the documents breaks for those who rely on them.

Fields, statuses, codes and values may be added to answers, and taken fields and larger limits to requests.
Clients break by what is gone from an answer or has another type, and by what a request must or may no longer
have. Each break is a line that says where it is.
"""

import json
from collections.abc import Iterator
from typing import Any

from tests.contracts.documents import Json, Message, Operation, messages, operations

COMPARED = frozenset(
    {
        *("type", "const", "enum", "format", "pattern", "minimum", "maximum", "minLength", "maxLength"),
        *("minItems", "maxItems", "properties", "required", "additionalProperties", "items"),
    }
)
"""JSON Schema's keywords that the documents may use; another one would have to be compared here, too."""

_LEAST, _MOST = ("minimum", "minLength", "minItems"), ("maximum", "maxLength", "maxItems")
_ALL_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def of_openapi(was: Json, now: Json) -> Iterator[str]:
    found = operations(now)
    for route, operation in operations(was).items():
        if route in found:
            yield from _of_operation(operation, found[route])
        else:
            yield f"{route} is gone"


def of_asyncapi(was: Json, now: Json) -> Iterator[str]:
    found = {(one.topic, one.action, one.name): one for one in messages(now)}
    for one in messages(was):
        if (other := found.get((one.topic, one.action, one.name))) is None:
            yield f"{_place(one)} is gone"
        elif one.action == "send":
            yield from of_answer(_place(one), one.payload, other.payload)
            yield from of_answer(f"{_place(one)} key", _key(one), _key(other))
        else:
            yield from of_request(_place(one), one.payload, other.payload)
            yield from of_request(f"{_place(one)} key", _key(one), _key(other))


def of_answer(place: str, was: Json, now: Json) -> Iterator[str]:
    """What breaks those who read what this schema describes."""
    if more := types(now) - types(was):
        yield f"{place} has another type: {', '.join(sorted(more))}"
    if was.get("format") != now.get("format"):
        yield f"{place} has another format: {now.get('format')}"
    yield from (f"{place} no longer has the value {json.dumps(value)}" for value in _gone(was, now))
    if _values(was) is not None and _values(now) is None:
        yield f"{place} no longer lists its values"
    for name, field in was.get("properties", {}).items():
        if name not in now.get("properties", {}):
            yield f"{place}.{name} is gone"
            continue
        if name in was.get("required", []) and name not in now.get("required", []):
            yield f"{place}.{name} may be missing"
        yield from of_answer(f"{place}.{name}", field, now["properties"][name])
    if "items" in was:
        yield from of_answer(f"{place}[]", was["items"], now.get("items", {}))


def of_request(place: str, was: Json, now: Json) -> Iterator[str]:
    """What breaks those who send what this schema describes."""
    if gone := types(was) - types(now):
        yield f"{place} has another type: no longer {', '.join(sorted(gone))}"
    yield from (f"{place} no longer takes the value {json.dumps(value)}" for value in _gone(was, now))
    if _values(was) is None and _values(now) is not None:
        yield f"{place} takes listed values only"
    yield from _tighter(place, was, now)
    for name in now.get("required", []):
        if name not in was.get("required", []):
            yield f"{place}.{name} is required"
    if was.get("additionalProperties", True) and not now.get("additionalProperties", True):
        yield f"{place} refuses fields that are not described"
    for name, field in was.get("properties", {}).items():
        if name in now.get("properties", {}):
            yield from of_request(f"{place}.{name}", field, now["properties"][name])
        else:
            yield f"{place}.{name} is gone"
    if "items" in was or "items" in now:
        yield from of_request(f"{place}[]", was.get("items", {}), now.get("items", {}))


def types(schema: Json) -> frozenset[str]:
    """All that a value may have."""
    values = _values(schema)
    if "type" in schema:
        named = schema["type"]
        return frozenset([named] if isinstance(named, str) else named)
    return _ALL_TYPES if values is None else frozenset(map(_type_of, values))


def _of_operation(was: Operation, now: Operation) -> Iterator[str]:
    yield from (
        f"{was.route} {' '.join(place)} is gone" for place in was.parameters if place not in now.parameters
    )
    for place, parameter in now.parameters.items():
        before = was.parameters.get(place, {})
        if parameter.get("required") and not before.get("required"):
            yield f"{was.route} {' '.join(place)} is required"
        if before:
            yield from of_request(f"{was.route} {' '.join(place)}", before["schema"], parameter["schema"])
    yield from _of_callers(was, now)
    yield from _of_bodies(was, now)
    for status, response in was.responses.items():
        if status in now.responses:
            yield from _of_response(f"{was.route} {status}", response, now.responses[status])
        else:
            yield f"{was.route} {status} is gone"


def _of_callers(was: Operation, now: Operation) -> Iterator[str]:
    before, after = was.content.get("security", []), now.content.get("security", [])
    if after and not before:
        yield f"{was.route} asks who is calling"
    for given in before if after else []:
        if not any(_is_enough(given, asked) for asked in after):
            yield f"{was.route} no longer takes {' and '.join(given)} as it did"


def _is_enough(given: Json, asked: Json) -> bool:
    """True if a caller with these schemes and scopes still gets in."""
    return all(name in given and set(scopes) <= set(given[name]) for name, scopes in asked.items())


def _of_bodies(was: Operation, now: Operation) -> Iterator[str]:
    is_required = now.content.get("requestBody", {}).get("required", False)
    if is_required and not was.content.get("requestBody", {}).get("required", False):
        yield f"{was.route} body is required"
    for media_type, schema in was.bodies.items():
        if media_type in now.bodies:
            yield from of_request(f"{was.route} body", schema, now.bodies[media_type])
        else:
            yield f"{was.route} body {media_type} is gone"


def _of_response(place: str, was: Json, now: Json) -> Iterator[str]:
    for name, header in was.get("headers", {}).items():
        other = now.get("headers", {}).get(name)
        if other is None:
            yield f"{place} {name} is gone"
            continue
        if header.get("required") and not other.get("required"):
            yield f"{place} {name} may be missing"
        yield from of_answer(f"{place} {name}", header["schema"], other["schema"])
    for media_type, content in was.get("content", {}).items():
        if media_type in now.get("content", {}):
            schema = now["content"][media_type]["schema"]
            yield from of_answer(f"{place} body", content["schema"], schema)
        else:
            yield f"{place} {media_type} is gone"


def _tighter(place: str, was: Json, now: Json) -> Iterator[str]:
    for name in _LEAST:
        if name in now and (name not in was or now[name] > was[name]):
            yield f"{place} has a larger {name}: {now[name]}"
    for name in _MOST:
        if name in now and (name not in was or now[name] < was[name]):
            yield f"{place} has a smaller {name}: {now[name]}"
    for name in ("pattern", "format"):
        if name in now and now[name] != was.get(name):
            yield f"{place} has another {name}: {now[name]}"


def _gone(was: Json, now: Json) -> list[Any]:
    """Values that were listed, and are not any more."""
    before, after = _values(was), _values(now)
    return [] if after is None else [value for value in before or [] if value not in after]


def _values(schema: Json) -> list[Any] | None:
    found: list[Any] | None = [schema["const"]] if "const" in schema else schema.get("enum")
    return found


def _type_of(value: object) -> str:
    for kind, name in (
        (bool, "boolean"),
        (int, "integer"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ):
        if isinstance(value, kind):
            return name
    return "null"


def _place(message: Message) -> str:
    return f"{message.topic} {message.action} {message.name}"


def _key(message: Message) -> Json:
    found: Json = message.content["bindings"]["kafka"]["key"]
    return found
