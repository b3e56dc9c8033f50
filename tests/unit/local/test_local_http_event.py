"""The events of requests, and the responses of functions."""

import base64
from typing import Any

import pytest

from local.gateway.http_event import MalformedResponse, Request, event_of, response_of
from local.lambda_runtime.template import Route

ROUTE = Route("account", "GET", "/checkout/sessions/{request_id}")


def event(
    *headers: tuple[str, str], body: bytes = b"", query: str = "", path: str = "/checkout/sessions/x"
) -> dict[str, Any]:
    request = Request("GET", path, query, (("host", "127.0.0.1:9996"), *headers), body, "10.0.0.1", "id=")
    return event_of(request, ROUTE, {"request_id": "x"})


def test_a_plain_request_has_exactly_these_keys() -> None:
    assert set(event()) == {
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "requestContext",
        "pathParameters",
        "isBase64Encoded",
    }


def test_the_request_context() -> None:
    context = event(("user-agent", "curl"))["requestContext"]

    assert context["http"] == {
        "method": "GET",
        "path": "/checkout/sessions/x",
        "protocol": "HTTP/1.1",
        "sourceIp": "10.0.0.1",
        "userAgent": "curl",
    }
    assert (context["stage"], context["requestId"], context["routeKey"]) == ("$default", "id=", ROUTE.key)
    assert context["domainName"] == "127.0.0.1:9996"
    assert isinstance(context["timeEpoch"], int)
    assert context["time"].endswith(" +0000")


def test_repeated_headers_are_joined_and_cookies_are_apart() -> None:
    made = event(
        ("x-a", "1"), ("x-a", "2"), ("cookie", "a=1; b=2"), ("cookie", "c=3"), ("connection", "close")
    )

    assert made["headers"]["x-a"] == "1,2"
    assert made["cookies"] == ["a=1", "b=2", "c=3"]
    assert not {"cookie", "connection"} & made["headers"].keys()


def test_the_query_is_kept_raw_and_also_parsed() -> None:
    made = event(query="a=1&a=%20x&empty=&b=%C3%A9")

    assert made["rawQueryString"] == "a=1&a=%20x&empty=&b=%C3%A9"
    assert made["queryStringParameters"] == {"a": "1, x", "empty": "", "b": "é"}


def test_the_path_is_decoded() -> None:
    assert event(path="/checkout/sessions/%C3%A9%20x")["rawPath"] == "/checkout/sessions/é x"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "TEXT/plain",
        "application/xml",
        "application/javascript",
    ],
)
def test_text_stays_text(content_type: str) -> None:
    made = event(("content-type", content_type), body="{é}".encode())

    assert (made["body"], made["isBase64Encoded"]) == ("{é}", False)
    assert made["headers"]["content-length"] == "4"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "image/png",
        "application/problem+json",
    ],
)
def test_everything_else_is_base64(content_type: str) -> None:
    made = event(("content-type", content_type), body=b"{}")

    assert (made["body"], made["isBase64Encoded"]) == (base64.b64encode(b"{}").decode(), True)


def test_bytes_that_are_not_utf_8_are_base64_whatever_they_claim() -> None:
    made = event(("content-type", "application/json"), body=b"\xff\x00")

    assert (base64.b64decode(made["body"]), made["isBase64Encoded"]) == (b"\xff\x00", True)


def test_a_full_response() -> None:
    response = response_of(
        {
            "statusCode": 201,
            "headers": {"Content-Type": "text/html", "X-Number": 5, "X-Flag": True, "Content-Length": "999"},
            "cookies": ["a=1; Path=/", "b=2"],
            "body": "é",
        }
    )

    assert response.status == 201
    assert response.headers == (
        ("content-type", "text/html"),
        ("x-number", "5"),
        ("x-flag", "true"),
        ("set-cookie", "a=1; Path=/"),
        ("set-cookie", "b=2"),
    )
    assert response.body == "é".encode()


def test_a_binary_response_is_decoded() -> None:
    body = base64.b64encode(b"\x00\xff").decode()

    assert response_of({"statusCode": "200", "body": body, "isBase64Encoded": True}).body == b"\x00\xff"


def test_without_a_type_a_response_is_plain_text() -> None:
    assert response_of({"statusCode": 200}).headers == (("content-type", "text/plain;charset=utf-8"),)


@pytest.mark.parametrize(
    ("value", "body"),
    [("hello", b"hello"), ({"a": "é"}, '{"a": "é"}'.encode()), ([1], b"[1]"), (None, b"null")],
)
def test_anything_without_a_status_code_is_the_body_of_a_200(value: Any, body: bytes) -> None:
    response = response_of(value)

    assert (response.status, response.body) == (200, body)
    assert response.headers == (("content-type", "application/json"),)


def test_no_content_has_no_content() -> None:
    assert response_of({"statusCode": 204, "body": "x"}).body == b""


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "ok"},
        {"statusCode": None},
        {"statusCode": True},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": "$", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "cookies": "a=1"},
    ],
)
def test_malformed_responses(value: Any) -> None:
    with pytest.raises(MalformedResponse):
        response_of(value)
