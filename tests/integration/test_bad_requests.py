"""POST /checkout/sessions with bad input: a clear answer, the right status, and nothing stored."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest

from tests.support.functions import JWT_SECRET, SERVICE_TOKEN, Answer, Functions, bearer, override, token

JSON = {"content-type": "application/json"}
GOOD = {"amount_cents": 500}


def refused(fns: Functions, answer: Answer, status: int) -> Any:
    """A problem of RFC 9457, and no trace in the database."""
    assert answer.status == status, answer.json
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "code", "detail"} <= answer.json.keys()
    assert answer.json["status"] == status
    assert fns.checkout("SELECT * FROM checkout_transactions") == []
    return answer.json["detail"]


def signed(claims: dict[str, Any], secret: str = JWT_SECRET, algorithm: str = "HS256") -> str:
    return "Bearer " + jwt.encode({"exp": int(time.time()) + 60, **claims}, secret, algorithm)


# Made when the test runs: a moment ahead is a moment ago once other tests have run.
NOT_VALID: dict[str, Callable[[], str | None]] = {
    "none": lambda: None,
    "scheme alone": lambda: "Bearer",
    "empty": lambda: "Bearer ",
    "not a token": lambda: "Bearer not.a.token",
    "another scheme": lambda: f"Basic {token()}",
    "expired": lambda: f"Bearer {token(exp=int(time.time()) - 31)}",
    "no exp": lambda: f"Bearer {token(exp=None)}",
    "exp is a text": lambda: f"Bearer {token(exp='soon')}",
    "exp is a list": lambda: f"Bearer {token(exp=[int(time.time()) + 60])}",
    "exp is beyond any clock": lambda: f"Bearer {token(exp=10**30)}",
    "exp is years ahead": lambda: f"Bearer {token(exp=int(time.time()) + 10 * 365 * 86_400)}",
    "exp is more than a day ahead": lambda: f"Bearer {token(exp=int(time.time()) + 86_400 + 60)}",
    "lives for more than a day": lambda: f"Bearer {token(iat=int(time.time()) - 86_400)}",
    "exp is infinite": lambda: f"Bearer {token(exp=1e400)}",
    "nbf ahead": lambda: f"Bearer {token(nbf=int(time.time()) + 60)}",
    "iat ahead": lambda: f"Bearer {token(iat=int(time.time()) + 60)}",
    "no sub": lambda: f"Bearer {token(sub=None)}",
    "sub is a number": lambda: signed({"sub": 1}),
    "unsigned": lambda: signed({"sub": "1"}, "", "none"),
    "another secret": lambda: signed({"sub": "1"}, "x" * 32),
    "another algorithm": lambda: signed({"sub": "1"}, JWT_SECRET, "HS512"),
    "two tokens": lambda: f"Bearer {token()}, Bearer {token()}",
}


@pytest.mark.parametrize("kind", NOT_VALID)
def test_a_token_that_is_not_valid_is_401_before_anything_else(fns: Functions, kind: str) -> None:
    refused_as_not_authenticated(fns, NOT_VALID[kind]())


@pytest.mark.parametrize("sub", ["abc", "", "0", "-1", "+1", "01", " 1", "1.0", "٣", str(2**63)])
def test_a_sub_that_is_no_user_is_401(fns: Functions, sub: str) -> None:
    refused_as_not_authenticated(fns, f"Bearer {token(sub)}")


def refused_as_not_authenticated(fns: Functions, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    # No content type, and no body that could be read: none of it is looked at.
    answer = fns.http(
        "create_session", "POST /checkout/sessions", b"\xff" * 70_000, headers=headers, as_base64=True
    )
    refused(fns, answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("service_token", ["", "wrong", SERVICE_TOKEN + "x", SERVICE_TOKEN[:-1], "é"])
def test_a_wrong_service_token_is_401(fns: Functions, service_token: str) -> None:
    refused(fns, fns.create({**GOOD, "user_id": 1}, {"x-service-token": service_token}), 401)


def test_both_kinds_of_token_are_400_where_both_are_valid(fns: Functions) -> None:
    both = {**bearer(), "x-service-token": SERVICE_TOKEN}
    assert "not both" in refused(fns, fns.create(GOOD, both), 400)
    for wrong in ({"x-service-token": "wrong"}, {"x-service-token": ""}, {"authorization": ""}):
        refused(fns, fns.create(GOOD, {**both, **wrong}), 401)


@pytest.mark.parametrize(
    "amount",
    [
        "0",
        "-1",
        "1.5",
        "500.0",
        "1e2",
        '"5"',
        "true",
        "null",
        "[]",
        "{}",
        str(2**63),
        "49",
        "1000001",
        "9" * 5000,
    ],
)
def test_an_amount_that_is_none_names_the_field_and_the_limits(fns: Functions, amount: str) -> None:
    detail = refused(fns, fns.create(b'{"amount_cents": %s}' % amount.encode()), 400)
    if len(amount) < 100:
        assert "amount_cents" in detail
        assert "50" in detail
        assert "1000000" in detail


def test_a_missing_amount_and_nan(fns: Functions) -> None:
    assert "amount_cents" in refused(fns, fns.create({}), 400)
    detail = refused(fns, fns.create(b'{"amount_cents": NaN}'), 400)
    assert detail == "The body cannot be read: NaN is not JSON."


@pytest.mark.parametrize("currency", ["usd", "", "eurо", 978, True, ["eur"]])
def test_another_currency_than_the_balance_has(fns: Functions, currency: Any) -> None:
    assert "currency" in refused(fns, fns.create({**GOOD, "currency": currency}), 400)


def test_a_field_s_name_is_not_repeated_whole(fns: Functions) -> None:
    for name in ("x" * 60_000, "\u2028" * 10_000, "\ud800" * 10_000):
        answer = fns.create({**GOOD, name: 1})
        assert "not a field" in refused(fns, answer, 400)
        assert len(json.dumps(answer.json)) < 1000


def test_every_answer_is_taken_for_what_it_is_and_over_https(
    fns: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        fns.create(GOOD, {}),
        fns.http("account", "GET /health"),
        fns.get("/checkout/balance"),
        fns.webhook(b"{}"),
    ]
    override(monkeypatch, accounts=None)
    answers.append(fns.get("/checkout/balance"))
    assert [answer.status for answer in answers] == [401, 200, 200, 400, 500]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize("field", ["amount", "success_url", "metadata", "user_id", "\ud800"])
def test_a_field_that_does_not_exist_is_named(fns: Functions, field: str) -> None:
    assert "not a field" in refused(fns, fns.create({**GOOD, field: 1}), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"amount_cents=500",
        b"[]",
        b"500",
        b"null",
        b'{"amount_cents": 500',
        b'\xef\xbb\xbf{"amount_cents": 500}',
        b'{"amount_cents": 500, "amount_cents": 500}',
        b'{"amount_cents": \xff}',
        b"[" * 50_000,
    ],
)
def test_a_body_that_is_no_json_object(fns: Functions, body: bytes) -> None:
    answer = fns.create(body, as_base64=True)
    assert "body" in refused(fns, answer, 400)


@pytest.mark.parametrize("size", [65_537, 2_000_000])
def test_a_body_that_is_too_large(fns: Functions, size: int) -> None:
    assert "65536" in refused(fns, fns.create(b" " * size), 413)


def test_the_largest_body_is_read(fns: Functions) -> None:
    body = json.dumps({"amount_cents": 1}).encode()
    refused(fns, fns.create(body + b" " * (65_536 - len(body))), 400)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/jsonp", "application/json; charset=utf-16", "text/json"]
)
def test_another_content_type_is_415(fns: Functions, content_type: str) -> None:
    refused(fns, fns.create(GOOD, {**bearer(), "content-type": content_type}), 415)


def test_a_content_encoding_is_415(fns: Functions) -> None:
    refused(fns, fns.create(GOOD, {**bearer(), **JSON, "content-encoding": "gzip"}), 415)


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', "application/json;"],
)
def test_a_charset_does_not_matter_where_it_is_utf_8(fns: Functions, content_type: str) -> None:
    refused(fns, fns.create({"amount_cents": 1}, {**bearer(), "content-type": content_type}), 400)


@pytest.mark.parametrize(
    "request_id", ["", "1", "x" * 36, "0" * 32, "{0c5b3a52-63f1-4a06-9a5b-0f7f4f6d7d10}", 5, True, "é" * 36]
)
def test_a_request_id_that_is_no_uuid(fns: Functions, request_id: Any) -> None:
    assert "request_id" in refused(fns, fns.create({**GOOD, "request_id": request_id}), 400)


@pytest.mark.parametrize("wrong", [{"amount_cents": 1.5}, {"currency": 5}, {"metadata": {}}])
def test_what_is_wrong_elsewhere_is_told_with_the_request_id(fns: Functions, wrong: dict[str, Any]) -> None:
    request_id = str(uuid4())
    answer = fns.create({**GOOD, "request_id": request_id.upper(), **wrong})
    refused(fns, answer, 400)
    assert answer.json["request_id"] == request_id


def test_an_unknown_user_is_404_before_stripe_is_called(fns: Functions) -> None:
    refused(fns, fns.create(GOOD, bearer(404)), 404)


@pytest.mark.parametrize("user_id", [None, 0, -1, "1", 1.0, True, 2**63])
def test_a_service_must_name_the_user(fns: Functions, user_id: Any) -> None:
    fields = GOOD if user_id is None else {**GOOD, "user_id": user_id}
    assert "user_id" in refused(fns, fns.create(fields, {"x-service-token": SERVICE_TOKEN}), 400)


def test_a_missing_setting_is_named_and_its_value_is_not(fns: Functions) -> None:
    fns.set(CHECKOUT_SERVICE_TOKEN=f"{SERVICE_TOKEN},")
    detail = refused(fns, fns.create(GOOD), 503)
    assert "CHECKOUT_SERVICE_TOKEN" in detail
    assert SERVICE_TOKEN not in detail
    fns.set(JWT_SECRET=None)
    assert "JWT_SECRET" in refused(fns, fns.create(GOOD), 503)
