"""Each kind of break is found, in a small contract and in our own; an addition breaks nothing."""

import copy
import json
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import pytest

from tests.contracts import __main__ as contracts_diff
from tests.contracts import breaks
from tests.contracts.documents import ASYNCAPI, OPENAPI, ROOT, read

Document = dict[str, Any]
Change = Callable[[Document], Any]

REQUEST: Document = {
    "type": "object",
    "required": ["amount"],
    "properties": {
        "amount": {"type": "integer", "minimum": 1, "maximum": 100},
        "note": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": 9,
            "pattern": "^a",
            "format": "uuid",
        },
        "kind": {"type": "string", "enum": ["a", "b"]},
        "tags": {"type": "array", "maxItems": 3, "items": {"type": "string", "maxLength": 5}},
        "free": {},
    },
}
ANSWER: Document = {
    "type": "object",
    "required": ["id", "state"],
    "properties": {
        "id": {"type": "string", "format": "date-time"},
        "state": {"type": "string", "enum": ["open", "closed"]},
        "code": {"const": "fine"},
        "items": {"type": "array", "items": {"type": "object", "properties": {"cents": {"type": "integer"}}}},
    },
}
OPENAPI_DOCUMENT: Document = {
    "paths": {
        "/things": {
            "post": {
                "security": [{"user": []}, {"service": ["a", "b"]}],
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
                    {"in": "header", "name": "Known", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "content": {"application/json": {"schema": REQUEST}, "text/csv": {"schema": {}}}
                },
                "responses": {
                    "200": {
                        "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                        "content": {"application/json": {"schema": ANSWER}, "text/html": {"schema": {}}},
                    },
                    "404": {"content": {}},
                },
            }
        },
        "/open": {"get": {"security": [], "responses": {}}},
    }
}
MESSAGES: Document = {
    "asked": {"name": "asked", "payload": REQUEST, "bindings": {"kafka": {"key": {"type": "string"}}}},
    "told": {"name": "told", "payload": ANSWER, "bindings": {"kafka": {"key": {"type": "string"}}}},
}
ASYNCAPI_DOCUMENT: Document = {
    "operations": {
        "ask": {
            "action": "receive",
            "channel": {"address": "in", "messages": {"asked": MESSAGES["asked"]}},
            "messages": [MESSAGES["asked"]],
        },
        "tell": {
            "action": "send",
            "channel": {"address": "out", "messages": {"told": MESSAGES["told"]}},
            "messages": [MESSAGES["told"]],
        },
    }
}


def post(document: Document) -> Document:
    found: Document = document["paths"]["/things"]["post"]
    return found


def asked(document: Document) -> Document:
    found: Document = post(document)["requestBody"]["content"]["application/json"]["schema"]
    return found


def told(document: Document) -> Document:
    found: Document = post(document)["responses"]["200"]["content"]["application/json"]["schema"]
    return found


def after(change: Change, document: Document = OPENAPI_DOCUMENT) -> list[str]:
    """What the change breaks, without the route."""
    now = copy.deepcopy(document)
    change(now)
    compared = breaks.of_openapi if "paths" in document else breaks.of_asyncapi
    return [line.removeprefix("POST /things ") for line in compared(document, now)]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda now: now["paths"].pop("/open"), "GET /open is gone"),
        (lambda now: now["paths"]["/things"].pop("post"), "is gone"),
        (lambda now: post(now)["responses"].pop("404"), "404 is gone"),
        (lambda now: post(now)["responses"]["200"]["content"].pop("text/html"), "200 text/html is gone"),
        (lambda now: post(now)["responses"]["200"]["headers"].pop("ETag"), "200 ETag is gone"),
        (
            lambda now: post(now)["responses"]["200"]["headers"]["ETag"].pop("required"),
            "200 ETag may be missing",
        ),
        (lambda now: told(now)["properties"].pop("id"), "200 body.id is gone"),
        (lambda now: told(now)["required"].remove("id"), "200 body.id may be missing"),
        (
            lambda now: told(now)["properties"]["id"].update(type=["string", "null"]),
            "200 body.id has another type: null",
        ),
        (
            lambda now: told(now)["properties"]["id"].update(type="integer"),
            "200 body.id has another type: integer",
        ),
        (lambda now: told(now)["properties"]["id"].pop("format"), "200 body.id has another format: None"),
        (
            lambda now: told(now)["properties"]["state"]["enum"].remove("open"),
            '200 body.state no longer has the value "open"',
        ),
        (
            lambda now: told(now)["properties"]["state"].pop("enum"),
            "200 body.state no longer lists its values",
        ),
        (
            lambda now: told(now)["properties"]["code"].update(const="good"),
            '200 body.code no longer has the value "fine"',
        ),
        (
            lambda now: told(now)["properties"]["items"]["items"]["properties"].pop("cents"),
            "200 body.items[].cents is gone",
        ),
        (lambda now: asked(now)["required"].append("note"), "body.note is required"),
        (
            lambda now: (asked(now)["properties"].update(new={}), asked(now)["required"].append("new")),
            "body.new is required",
        ),
        (lambda now: asked(now)["properties"].pop("note"), "body.note is gone"),
        (
            lambda now: asked(now).update(additionalProperties=False),
            "body refuses fields that are not described",
        ),
        (
            lambda now: asked(now)["properties"]["note"].update(type="string"),
            "body.note has another type: no longer null",
        ),
        (
            lambda now: asked(now)["properties"]["free"].update(
                type=["object", "string", "null", "array", "boolean"]
            ),
            "body.free has another type: no longer integer, number",
        ),
        (
            lambda now: asked(now)["properties"]["kind"]["enum"].remove("b"),
            'body.kind no longer takes the value "b"',
        ),
        (
            lambda now: asked(now)["properties"]["note"].update(enum=["a"]),
            "body.note takes listed values only",
        ),
        (
            lambda now: asked(now)["properties"]["amount"].update(minimum=2),
            "body.amount has a larger minimum: 2",
        ),
        (
            lambda now: asked(now)["properties"]["amount"].update(maximum=99),
            "body.amount has a smaller maximum: 99",
        ),
        (
            lambda now: asked(now)["properties"]["note"].update(minLength=2),
            "body.note has a larger minLength: 2",
        ),
        (
            lambda now: asked(now)["properties"]["note"].update(maxLength=8),
            "body.note has a smaller maxLength: 8",
        ),
        (
            lambda now: asked(now)["properties"]["kind"].update(maxLength=8),
            "body.kind has a smaller maxLength: 8",
        ),
        (
            lambda now: asked(now)["properties"]["tags"].update(minItems=1),
            "body.tags has a larger minItems: 1",
        ),
        (
            lambda now: asked(now)["properties"]["tags"].update(maxItems=2),
            "body.tags has a smaller maxItems: 2",
        ),
        (
            lambda now: asked(now)["properties"]["tags"]["items"].update(maxLength=4),
            "body.tags[] has a smaller maxLength: 4",
        ),
        (
            lambda now: asked(now)["properties"]["note"].update(pattern="^b"),
            "body.note has another pattern: ^b",
        ),
        (
            lambda now: asked(now)["properties"]["note"].update(format="uri"),
            "body.note has another format: uri",
        ),
        (lambda now: post(now)["requestBody"].update(required=True), "body is required"),
        (lambda now: post(now)["requestBody"]["content"].pop("text/csv"), "body text/csv is gone"),
        (lambda now: post(now)["parameters"].pop(0), "query limit is gone"),
        (lambda now: post(now)["parameters"][1].update(required=True), "header Known is required"),
        (
            lambda now: post(now)["parameters"].append(
                {"in": "query", "name": "new", "required": True, "schema": {}}
            ),
            "query new is required",
        ),
        (
            lambda now: post(now)["parameters"][0]["schema"].update(maximum=50),
            "query limit has a smaller maximum: 50",
        ),
        (lambda now: post(now)["security"].pop(0), "no longer takes user as it did"),
        (
            lambda now: post(now)["security"][1]["service"].append("c"),
            "no longer takes service as it did",
        ),
        (
            lambda now: now["paths"]["/open"]["get"]["security"].append({"user": []}),
            "GET /open asks who is calling",
        ),
    ],
)
def test_a_break_is_found(change: Change, line: str) -> None:
    assert after(change) == [line]


@pytest.mark.parametrize(
    "change",
    [
        lambda now: now["paths"].update({"/new": {"get": {"responses": {}}}}),
        lambda now: post(now)["responses"].update({"500": {}}),
        lambda now: told(now)["properties"].update(new={"type": "string"}),
        lambda now: told(now)["required"].append("code"),
        lambda now: told(now)["properties"]["state"]["enum"].append("held"),
        lambda now: told(now)["properties"]["state"].update(maxLength=3),
        lambda now: asked(now)["properties"].update(new={"type": "string"}),
        lambda now: asked(now)["required"].clear(),
        lambda now: asked(now)["properties"]["kind"]["enum"].append("c"),
        lambda now: asked(now)["properties"]["kind"].pop("enum"),
        lambda now: asked(now)["properties"]["amount"].update(minimum=0, maximum=101),
        lambda now: asked(now)["properties"]["note"].pop("pattern"),
        lambda now: asked(now)["properties"]["amount"].update(type=["integer", "string"]),
        lambda now: post(now)["parameters"].append({"in": "query", "name": "new", "schema": {}}),
        lambda now: post(now)["security"].append({"other": []}),
        lambda now: post(now)["security"][1]["service"].remove("a"),
        lambda now: post(now)["security"].clear(),
        lambda now: post(now).update(description="other words"),
    ],
)
def test_what_is_added_or_allowed_breaks_nothing(change: Change) -> None:
    assert after(change) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda now: now["operations"].pop("tell"), "out send told is gone"),
        (lambda now: now["operations"]["ask"]["channel"].update(address="new"), "in receive asked is gone"),
        (
            lambda now: now["operations"]["tell"]["messages"][0]["payload"]["properties"].pop("id"),
            "out send told.id is gone",
        ),
        (
            lambda now: now["operations"]["ask"]["messages"][0]["payload"]["required"].append("note"),
            "in receive asked.note is required",
        ),
        (
            lambda now: now["operations"]["tell"]["messages"][0]["bindings"]["kafka"]["key"].update(
                type="integer"
            ),
            "out send told key has another type: integer",
        ),
        (
            lambda now: now["operations"]["ask"]["messages"][0]["bindings"]["kafka"]["key"].update(
                maxLength=1
            ),
            "in receive asked key has a smaller maxLength: 1",
        ),
    ],
)
def test_a_break_of_a_topic_is_found(change: Change, line: str) -> None:
    assert after(change, ASYNCAPI_DOCUMENT) == [line]


@pytest.mark.parametrize(
    ("path", "part", "least"),
    [(OPENAPI, "paths", 200), (ASYNCAPI, "operations", 100)],
    ids=[OPENAPI, ASYNCAPI],
)
def test_whatever_is_taken_from_our_own_documents_is_noticed(path: str, part: str, least: int) -> None:
    """Each route, status, field, code and value, one at a time."""
    was, now = read(path), json.loads(json.dumps(read(path)))
    found = [*addresses(was[part], (part,))]
    for *way, last in found:
        holder = reduce(lambda inside, step: inside[step], way, now)
        taken = holder.pop(last)
        assert list(contracts_diff.COMPARISONS[path](was, now)), (*way, last)
        holder.insert(last, taken) if isinstance(holder, list) else holder.update({last: taken})
    assert len(found) > least


def addresses(value: Any, way: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Where in a document there is something that others rely on."""
    if isinstance(value, (dict, list)) and not set(way) & {"channel", "reply", "headers"}:
        steps = range(len(value)) if isinstance(value, list) else list(value)
        if way[-1] in ("paths", "operations", "responses", "content", "properties", "enum"):
            yield from ((*way, step) for step in steps)
        for step in steps:
            yield from addresses(value[step], (*way, step))


def test_the_command_compares_with_a_ref(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = json.loads((ROOT / OPENAPI).read_text())
    before["components"]["schemas"]["Balance"]["properties"]["coins"] = {"type": "integer"}
    known = {f"v1:{OPENAPI}": json.dumps(before), f"v1:{ASYNCAPI}": (ROOT / ASYNCAPI).read_text()}

    def git(word: str, *words: str) -> str | None:
        return known.get(words[-1]) if word == "show" else None if word == "describe" else words[-1]

    monkeypatch.setattr(contracts_diff, "git", git)

    assert contracts_diff.main(["v1"]) == 1
    assert capsys.readouterr().out == "docs/openapi.json: GET /checkout/balance 200 body.coins is gone\n"
    assert contracts_diff.main(["v0"]) == 0
    assert "v0 has no docs/openapi.json" in capsys.readouterr().out
    assert contracts_diff.main([]) == 0
    assert "no tag" in capsys.readouterr().out


def test_a_ref_that_git_does_not_know_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert contracts_diff.main(["no-such-ref"]) == 2
    assert "git knows no no-such-ref" in capsys.readouterr().err


def test_nothing_breaks_between_a_document_and_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for path, compared in contracts_diff.COMPARISONS.items():
        document = read(path)
        assert list(compared(document, document)) == []
