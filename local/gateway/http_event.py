"""HTTP to Lambda and back, as an HTTP API of API Gateway translates it (payload format 2.0)."""

import base64
import binascii
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

from local.lambda_runtime.template import Route

# Undocumented, but observed on AWS: only these types and text/* reach a function as text.
_TEXT_TYPES = ("application/json", "application/xml", "application/javascript")
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"})
_NO_BODY = frozenset({204, 304})

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """A request. Header names are in lower case; `path` and `query` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    source_ip: str
    request_id: str
    protocol: str = "HTTP/1.1"


@dataclass(frozen=True)
class Response:
    """A response, with header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class MalformedResponse(ValueError):
    """The function's response is not in the format, for which API Gateway answers 500."""


def event_of(request: Request, route: Route, path_parameters: Mapping[str, str]) -> dict[str, Any]:
    """The event for the route's function. What the request does not have is an absent key, as on AWS."""
    headers = _joined(
        (name, value) for name, value in request.headers if name not in (*_HOP_BY_HOP, "cookie")
    )
    lines = [value for name, value in request.headers if name == "cookie"]
    cookies = [cookie.strip() for line in lines for cookie in line.split(";")]
    headers["content-length"] = str(len(request.body))
    domain = headers.get("host", "")
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": unquote(request.path),
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": unquote(request.path),
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request.request_id,
            "routeKey": route.key,
            "stage": "$default",
            "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query := parse_qsl(request.query, keep_blank_values=True):
        event["queryStringParameters"] = _joined(query)
    if path_parameters:
        event["pathParameters"] = dict(path_parameters)
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return event


def response_of(value: Any) -> Response:
    """The HTTP response that a function's return value stands for. Raises MalformedResponse.

    Without a `statusCode` the value is the body of a 200: a string as it is, anything else as JSON.
    """
    if not isinstance(value, dict) or "statusCode" not in value:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return Response(200, (("content-type", "application/json"),), text.encode())
    status = _status(value["statusCode"])
    headers = [
        (str(name).lower(), _header_value(content))
        for name, content in _typed(value, "headers", dict).items()
        if str(name).lower() not in (*_HOP_BY_HOP, "content-length") and content is not None
    ]
    if "content-type" not in dict(headers):
        headers.append(("content-type", "text/plain;charset=utf-8"))
    headers += [("set-cookie", _header_value(cookie)) for cookie in _typed(value, "cookies", list)]
    body = b"" if status in _NO_BODY else _response_body(value)
    return Response(status, tuple(headers), body)


def message(status: int, text: str) -> Response:
    """A response of the gateway itself."""
    body = json.dumps({"message": text}, separators=(",", ":")).encode()
    return Response(status, (("content-type", "application/json"),), body)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return {name: ",".join(several) for name, several in values.items()}


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    """The body for the event, and True if that is base64."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("text/") or media_type in _TEXT_TYPES:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # Not text after all.
    return base64.b64encode(body).decode(), True


def _status(value: Any) -> int:
    try:
        status = int(value)
    except (TypeError, ValueError) as error:
        raise MalformedResponse(f"statusCode {value!r}") from error
    if isinstance(value, bool) or not 200 <= status <= 599:
        raise MalformedResponse(f"statusCode {value!r}")
    return status


def _response_body(value: Mapping[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse("the body is not a string")
    if value.get("isBase64Encoded") is not True:
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedResponse("the body is not base64") from error


def _header_value(value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise MalformedResponse("a header is not a string")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if any(character in text for character in "\r\n\0"):
        raise MalformedResponse("a header holds a line break")
    return text


def _typed(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """The member of a response; empty if there is none."""
    found = value.get(name)
    if found is not None and not isinstance(found, kind):
        raise MalformedResponse(f"{name} is no {kind.__name__}")
    return found or kind()
