"""Answers and records, checked against the documents. Those of the tests' functions all pass through here."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from checkout import publisher
from checkout.outbox import delivery
from checkout.outbox.table import Message
from tests.contracts.documents import Json, asyncapi, messages, openapi, operations


def check_answer(route: str, answer: Json) -> None:
    """Raises AssertionError if a function's response to the route (`GET /health`) is not documented."""
    operation = operations(openapi()).get(route)
    assert operation is not None, f"docs/openapi.json has no route {route}"
    status = str(answer["statusCode"])
    assert status in operation.responses, f"docs/openapi.json has no status {status} of {route}: {answer}"
    _check_headers(f"{route} {status}", operation.responses[status], answer["headers"])
    media_type = answer["headers"].get("content-type", "").partition(";")[0]
    documented = operation.responses[status].get("content", {})
    if not documented:
        assert not answer.get("body"), f"docs/openapi.json has no body of {route} {status}"
        return
    assert media_type in documented, f"docs/openapi.json has no {media_type} of {route} {status}"
    if media_type.endswith("json"):
        wrong = problems(of_answer(route, status, media_type), json.loads(answer["body"]))
        assert not wrong, f"{route} {status} is not as docs/openapi.json says: {wrong}; {answer['body']}"


def _check_headers(what: str, response: Json, headers: Mapping[str, str]) -> None:
    given = {name.lower() for name in headers}
    for name, header in response.get("headers", {}).items():
        assert name.lower() in given or not header.get("required"), f"{what} has no {name}"


def check_record(topic: str, value: bytes) -> None:
    """Raises AssertionError unless exactly one of the topic's messages describes a record that we have made:
    without fields that are not documented, and, if we send it, with all that are."""
    record = json.loads(value)
    wrong = {name: problems(checker, record) for name, checker in _of_records(topic).items()}
    fitting = [name for name, found in wrong.items() if not found]
    assert len(fitting) == 1, f"docs/asyncapi.json has {fitting or 'none'} of {wrong} for {record}"


def watch(patch: pytest.MonkeyPatch) -> None:
    """Check every record that is made for Kafka in this process."""

    def checked(
        effect_key: str, topic: str, key: str, value: bytes, traceparent: str | None = None
    ) -> Message:
        check_record(topic, value)
        return Message(effect_key, topic, key, value, traceparent)

    for maker in (delivery, publisher):
        patch.setattr(maker, "Message", checked)


def closed(schema: Json, *, is_whole: bool = False) -> Json:
    """The schema that refuses every field it does not name. If it `is_whole`, each one must be there.

    The documents leave this open, so that clients ignore the fields of later releases.
    """
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: closed(one) for name, one in schema["properties"].items()}
        made["additionalProperties"] = False
    if "properties" in schema and is_whole:
        made["required"] = list(schema["properties"])
    if "items" in schema:
        made["items"] = closed(schema["items"])
    return made


@cache
def of_answer(route: str, status: str, media_type: str) -> jsonschema_rs.Validator:
    schema = operations(openapi())[route].responses[status]["content"][media_type]["schema"]
    return validator(closed(schema))


@cache
def _of_records(topic: str) -> dict[str, jsonschema_rs.Validator]:
    """By message."""
    found = [one for one in messages(asyncapi()) if one.topic == topic]
    sent = [one for one in found if one.action == "send"]
    return {one.name: validator(closed(one.payload, is_whole=True)) for one in sent or found}


def validator(schema: Json) -> jsonschema_rs.Validator:
    return jsonschema_rs.Draft202012Validator(dict(schema), validate_formats=True)


def problems(checker: jsonschema_rs.Validator, content: Any) -> list[str]:
    """What is wrong, and where."""
    return [
        f"{'.'.join(map(str, error.instance_path)) or 'all'}: {error.message}"
        for error in checker.iter_errors(content)
    ]
