"""`docs/openapi.json` says what the code does, and all of it; `GET /openapi.json` sends it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from checkout.api import accounts
from checkout.base import errors, price_settings
from checkout.base.config import Config
from checkout.base.errors import CheckoutError, InvalidRequest
from checkout.base.services import SCOPES
from checkout.base.user_ids import KINDS
from checkout.payments import outcomes
from checkout.payments.payment import Status
from checkout.sessions.session_request import SessionRequest
from functions.web import app
from local.lambda_runtime import template
from tests.contracts import breaks, conformance
from tests.contracts.documents import OPENAPI, ROOT, Json, openapi, operations, schemas
from tests.support import samples

OPERATIONS = operations(openapi())
OPERATORS = {"refused"}
"""Codes that only the command line of the operations has."""


def schema(name: str) -> Json:
    found: Json = openapi()["components"]["schemas"][name]
    return found


def problems() -> Iterator[tuple[int, str]]:
    """(status, code) of every problem that is documented."""
    for operation in OPERATIONS.values():
        for status, response in operation.responses.items():
            content = response.get("content", {}).get("application/problem+json")
            if content is not None:
                yield from ((int(status), code) for code in content["schema"]["properties"]["code"]["enum"])


def kinds(parent: type[CheckoutError]) -> Iterator[type[CheckoutError]]:
    yield parent
    for child in parent.__subclasses__():
        yield from kinds(child)


# The document


def test_it_is_valid() -> None:
    schemathesis.openapi.from_path(ROOT / OPENAPI).validate()


def test_each_variable_of_a_path_is_described() -> None:
    for route, operation in OPERATIONS.items():
        described = {name for place, name in operation.parameters if place == "path"}
        assert described == set(re.findall(r"{(\w+)}", route)), route
    names = [operation.content["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


def test_its_examples_are_what_it_describes() -> None:
    for operation in OPERATIONS.values():
        for content in operation.content.get("requestBody", {}).get("content", {}).values():
            checker = conformance.validator(content["schema"])
            for example in content.get("examples", {}).values():
                assert conformance.problems(checker, example["value"]) == []


def test_the_samples_are_requests_that_it_describes() -> None:
    seen = 0
    for sample in samples.ANSWERS:
        event = samples.event(sample)
        for schema in OPERATIONS[event["routeKey"]].bodies.values():
            assert conformance.problems(conformance.validator(schema), json.loads(event["body"])) == [], (
                sample
            )
            seen += 1
    assert seen > 5


def test_contracts_diff_compares_every_keyword_that_it_uses() -> None:
    described = {"description", "default", "title"}
    for name, one in openapi()["components"]["schemas"].items():
        for part in schemas(one):
            assert part.keys() <= breaks.COMPARED | described, name


# Routes, statuses, codes


def test_the_routes_are_the_template_s() -> None:
    assert OPERATIONS.keys() == {route.key for route in template.load(ROOT / "template.yaml").routes}


def test_the_problems_are_those_of_the_errors() -> None:
    known = {(kind.status, kind.code) for kind in kinds(errors.CheckoutError)}

    assert set(problems()) == {(status, code) for status, code in known if code not in OPERATORS}


def test_what_the_gateway_answers_itself_is_said_of_every_route() -> None:
    for route, operation in OPERATIONS.items():
        for status in ("413", "429", "500", "503"):
            body = operation.responses[status]["content"]["application/json"]["schema"]
            assert body == schema("GatewayMessage"), route


def test_callers_are_asked_for_where_they_are_known() -> None:
    asking = {route for route, operation in OPERATIONS.items() if "401" in operation.responses}
    users = [["userToken"], ["userToken", "serviceToken"]]

    assert asking == {route for route in OPERATIONS if route.split()[1].startswith("/checkout/")}
    for route, operation in OPERATIONS.items():
        schemes = [name for one in operation.content["security"] for name in one]
        assert (schemes in users) == (route in asking), route
        for one in operation.content["security"]:
            assert set(one.get("serviceToken", [])) <= set(SCOPES)


# Fields


def test_an_answer_s_fields_are_all_there_each_time() -> None:
    """So the tests of the functions notice a field that is missing, next to one that is not described."""
    for route, operation in OPERATIONS.items():
        for status, response in operation.responses.items():
            content = response.get("content", {}).get("application/json", {})
            for one in schemas(content.get("schema", {})):
                assert set(one.get("required", [])) == one.get("properties", {}).keys(), (route, status)


def test_states_and_outcomes() -> None:
    assert schema("Payment")["properties"]["status"]["enum"] == [str(status) for status in Status]
    stored = {kind.stored_as for kind in outcomes.Outcome.__subclasses__()}
    assert set(schema("ReceivedEvent")["properties"]["outcome"]["enum"]) == {*stored, "duplicate"}


def test_the_price_list() -> None:
    assert list(schema("Price")["properties"]) == list(price_settings.Offer.__annotations__)


def test_the_limits_of_a_page() -> None:
    [limit] = [
        one
        for one in OPERATIONS["GET /checkout/transactions"].content["parameters"]
        if one["name"] == "limit"
    ]
    maximum, default = accounts.MAX_LIMIT, accounts.DEFAULT_LIMIT
    assert limit["schema"] == {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}


# The request of a session: what fits is taken, and what does not is refused

NAMES = tuple(schema("SessionRequest")["properties"])
UUID = "0b7a3f9c-5d1e-4c2a-9f3b-8e6d7c5b4a39"
VALUES: dict[str, list[Any]] = {
    "amount_cents": [1, 500, 2**63 - 1, 0, -1, 2**63, True, "500", None, [], 1.5],
    "currency": ["eur", "EUR", "eUr", None, 1, ["eur"]],
    "request_id": [
        UUID,
        UUID.upper(),
        None,
        "",
        UUID + "0",
        UUID[:-1],
        UUID.replace("-", ""),
        f"{{{UUID}}}",
        1,
    ],
}
IDS: dict[str, list[Any]] = {
    "bigint": [1, 2**63 - 1, 0, -1, 2**63, True, None, [], {}],
    "uuid": [UUID, UUID.upper(), None, True, [], {}],
    "text": ["a", "ü" * 255, "auth0|x/y", "", "a" * 256, None, True, [], {}],
}


def taken(fields: dict[str, Any], kind: str, *, by_service: bool) -> bool:
    config = Config({"USER_ID_TYPE": kind})
    try:
        SessionRequest.of(fields, None if by_service else config.user_ids.demo, config)
    except InvalidRequest:
        return False
    return True


CHECKER = conformance.validator(schema("SessionRequest"))


@pytest.mark.parametrize(
    ("name", "value"), [(name, one) for name, values in VALUES.items() for one in values]
)
def test_a_field_fits_the_document_if_the_code_takes_it(name: str, value: Any) -> None:
    fields = {"amount_cents": 500, name: value}
    assert CHECKER.is_valid(fields) == taken(fields, "bigint", by_service=False)


@pytest.mark.parametrize(("kind", "value"), [(kind, one) for kind, values in IDS.items() for one in values])
def test_a_user_s_id_fits_the_document_if_the_code_takes_it(kind: str, value: Any) -> None:
    fields = {"amount_cents": 500, "user_id": value}
    assert CHECKER.is_valid(fields) == taken(fields, kind, by_service=True)
    assert not taken(fields, kind, by_service=False)


def test_there_is_no_other_field_and_only_the_amount_is_required() -> None:
    assert KINDS.keys() == IDS.keys()
    assert taken({"amount_cents": 1}, "bigint", by_service=False)
    others: list[dict[str, Any]] = [
        {},
        {"amount_cents": 1, "purpose": "top-up"},
        {"amount_cents": 1, "Currency": "eur"},
    ]
    for fields in others:
        assert not CHECKER.is_valid(fields)
        assert not taken(fields, "bigint", by_service=False)


# GET /openapi.json


def get(**headers: str) -> dict[str, Any]:
    answer = app.handler({"routeKey": "GET /openapi.json", "headers": headers}, None)
    conformance.check_answer("GET /openapi.json", answer)
    return answer


def test_the_document_is_sent_as_it_is() -> None:
    answer = get()
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "application/json")
    assert answer["body"] == (ROOT / OPENAPI).read_text()
    assert answer["headers"]["cache-control"] == "public, max-age=600"
    assert "openapi.json" not in app.ASSETS


def test_a_known_document_is_not_sent_again() -> None:
    answer = get(**{"if-none-match": get()["headers"]["etag"]})
    assert answer["statusCode"] == 304
    assert "body" not in answer


def test_nobody_reads_the_document_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("read")

    app.openapi_asset.cache_clear()
    monkeypatch.setattr(type(app.OPENAPI), "read_text", refuse)
    assert app.handler({"routeKey": "GET /balance", "headers": {}}, None)["statusCode"] == 200
    with pytest.raises(AssertionError, match="read"):
        get()


# The check of answers itself


def answer(status: int, content: Any, **headers: str) -> dict[str, Any]:
    usual = {"content-type": "application/json"}
    return {"statusCode": status, "headers": usual | headers, "body": json.dumps(content)}


BALANCE = {"user_id": 1, "balance_cents": -5, "currency": "eur"}
PROBLEM = {
    "type": "about:blank",
    "title": "Not found",
    "status": 404,
    "code": "unknown_user",
    "detail": "There is no such user.",
}


def test_a_documented_answer_passes() -> None:
    conformance.check_answer("GET /checkout/balance", answer(200, BALANCE))
    problem = answer(404, PROBLEM, **{"content-type": "application/problem+json"})
    conformance.check_answer("GET /checkout/balance", problem)


@pytest.mark.parametrize(
    ("route", "given", "why"),
    [
        ("GET /nowhere", answer(200, BALANCE), "no route"),
        ("GET /checkout/balance", answer(418, BALANCE), "no status 418"),
        ("GET /checkout/balance", answer(200, BALANCE | {"coins": 1}), "coins"),
        ("GET /checkout/balance", answer(200, {"user_id": 1, "currency": "eur"}), "balance_cents"),
        ("GET /checkout/balance", answer(200, BALANCE | {"balance_cents": "5"}), "balance_cents"),
        ("GET /checkout/balance", answer(200, BALANCE, **{"content-type": "text/html"}), "no text/html"),
        (
            "GET /checkout/balance",
            answer(404, PROBLEM | {"code": "gone"}, **{"content-type": "application/problem+json"}),
            "gone",
        ),
        (
            "GET /checkout/balance",
            answer(401, PROBLEM, **{"content-type": "application/problem+json"}),
            "no WWW-Authenticate",
        ),
        ("GET /openapi.json", {**answer(304, {}), "headers": {"etag": "", "cache-control": ""}}, "no body"),
        (
            "GET /checkout/transactions",
            answer(200, {"transactions": [{"status": "paid"}], "next_cursor": None}),
            "transactions.0",
        ),
    ],
)
def test_an_answer_that_is_not_documented_is_noticed(route: str, given: dict[str, Any], why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        conformance.check_answer(route, given)


def test_a_schema_is_compiled_once() -> None:
    first, second = (conformance.of_answer("GET /health", "200", "application/json") for _ in range(2))
    assert first is second
