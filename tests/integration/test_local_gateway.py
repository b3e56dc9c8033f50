"""The gateway over real HTTP, with fake functions and with real ones."""

import asyncio
import http.client
import json
import os
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from local.gateway.server import MAX_BODY, Gateway, Router, Server, claim
from local.lambda_runtime.environments import FunctionEnvironments, PayloadTooLarge, Result, Throttled
from local.lambda_runtime.template import Function, Route

ROUTES = [
    Route("echo", "POST", "/echo"),
    Route("echo", "GET", "/items/{id}"),
    Route("special", "GET", "/items/special"),
    Route("echo", "ANY", "/any"),
    Route("rest", "GET", "/files/{proxy+}"),
]


async def answer(function: str, event: dict[str, Any]) -> Result:
    """The answers of the fake functions, by the query."""
    match event["rawQueryString"]:
        case "error":
            return Result(b'{"errorMessage":"secret"}', is_error=True)
        case "malformed":
            return Result(b'{"statusCode":"no"}')
        case "large":
            raise PayloadTooLarge
        case "busy":
            raise Throttled
        case "slow":
            await asyncio.sleep(30)
    return Result(json.dumps({"function": function, "event": event}).encode())


class Site:
    """A gateway on its own port, in a thread."""

    def __init__(
        self, invoke: Callable[[str, dict[str, Any]], Awaitable[Result]], integration_seconds: float = 0.3
    ) -> None:
        self._integration_seconds = integration_seconds
        self.seen: list[tuple[str, str, int]] = []
        self._invoke = invoke
        self._ready = threading.Event()
        self._listener = claim(0)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        gateway = Gateway(ROUTES, self._invoke, self._observe, integration_seconds=self._integration_seconds)
        server = Server(gateway, self._listener)
        await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.stop()

    def _observe(self, method: str, path: str, status: int, seconds: float) -> None:
        self.seen.append((method, path, status))

    def __enter__(self) -> "Site":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(answer) as site:
        yield site


def test_an_event_reaches_the_function_of_the_route(site: Site) -> None:
    status, headers, body = site.request("POST", "/echo?a=1", b"{}", {"Content-Type": "application/json"})

    answered = json.loads(body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert headers["apigw-requestid"] == answered["event"]["requestContext"]["requestId"]
    assert answered["function"] == "echo"
    assert answered["event"]["body"] == "{}"
    assert answered["event"]["requestContext"]["http"]["sourceIp"] == "127.0.0.1"
    assert ("POST", "/echo", 200) in site.seen


def test_a_chunked_body_arrives_whole(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port)
    connection.request("POST", "/echo", iter([b"one,", b"two"]), {"Content-Type": "text/plain"})

    event = json.loads(connection.getresponse().read())["event"]

    assert (event["body"], event["headers"]["content-length"]) == ("one,two", "7")
    assert "transfer-encoding" not in event["headers"]
    connection.close()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("GET", "/echo"),
        ("HEAD", "/items/1"),
        ("OPTIONS", "/echo"),
        ("POST", "/echo/"),
        ("GET", "//items/1"),
        ("GET", "/items/"),
        ("GET", "/items/1/2"),
        ("GET", "/files/"),
        ("GET", "/"),
    ],
)
def test_no_such_route(site: Site, method: str, path: str) -> None:
    status, headers, body = site.request(method, path)

    assert (status, headers["content-type"]) == (404, "application/json")
    assert body == (b"" if method == "HEAD" else b'{"message":"Not Found"}')


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("error", 500, "Internal Server Error"),
        ("malformed", 500, "Internal Server Error"),
        ("large", 413, "Request Entity Too Large"),
        ("busy", 503, "Service Unavailable"),
        ("slow", 503, "Service Unavailable"),
    ],
)
def test_what_the_gateway_answers_by_itself(site: Site, query: str, status: int, text: str) -> None:
    answered, headers, body = site.request("POST", f"/echo?{query}")

    assert (answered, json.loads(body)) == (status, {"message": text})
    assert headers["content-type"] == "application/json"


def test_bodies_above_ten_megabytes_are_refused_and_the_client_hears_it() -> None:
    with Site(answer, integration_seconds=30) as site:
        assert site.request("POST", "/echo", b"x" * MAX_BODY)[0] == 200

        status, _, body = site.request("POST", "/echo", b"x" * (MAX_BODY + 1))

    assert (status, json.loads(body)) == (413, {"message": "Request Entity Too Large"})


def test_half_a_body_invokes_nothing() -> None:
    invoked = threading.Event()

    async def note(function: str, event: dict[str, Any]) -> Result:
        invoked.set()
        return Result(b"{}")

    with Site(note) as site:
        with socket.create_connection(("127.0.0.1", site.port)) as client:
            client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{")
        assert not invoked.wait(0.5)
        assert site.seen == []

        assert site.request("POST", "/echo", b"{}")[0] == 200


def test_head_and_options_reach_a_route_of_any_method(site: Site) -> None:
    status, headers, body = site.request("HEAD", "/any")

    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 0
    assert json.loads(site.request("OPTIONS", "/any")[2])["event"]["routeKey"] == "ANY /any"


def test_an_invocation_goes_on_when_nobody_waits_for_it_any_more() -> None:
    done = threading.Event()

    async def slow(function: str, event: dict[str, Any]) -> Result:
        await asyncio.sleep(0.6)
        done.set()
        return Result(b"{}")

    with Site(slow) as site:
        assert site.request("POST", "/echo")[0] == 503
        assert done.wait(5)


def test_two_cannot_claim_one_port() -> None:
    with claim(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            claim(port)


def test_names_win_over_variables_and_parameters_are_decoded() -> None:
    router = Router(ROUTES)

    def found(path: str) -> tuple[str, dict[str, str]]:
        match = router.find("GET", path)
        assert match is not None
        return match[0].function, dict(match[1])

    assert found("/items/special") == ("special", {})
    assert found("/items/a%20b") == ("echo", {"id": "a b"})
    assert found("/files/a/b.css") == ("rest", {"proxy": "a/b.css"})


def test_parallel_clients_share_two_environments(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text('def handler(event, context): return {"statusCode": 200, "body": "{}"}')
    function = Function("echo", tmp_path, "app.handler", timeout=10, memory=128)
    pools: list[FunctionEnvironments] = []

    async def invoke(name: str, event: dict[str, Any]) -> Result:
        if not pools:
            pools.append(FunctionEnvironments(function, (), dict(os.environ), lambda *_: None, size=2))
        return await pools[0].invoke(event)

    with Site(invoke, integration_seconds=30) as site:

        def client(count: int) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", site.port)
            for _ in range(count):
                connection.request("POST", "/echo", b"x" * 4000, {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                assert response.status == 200
            connection.close()
            return count

        with ThreadPoolExecutor(8) as clients:
            assert sum(clients.map(client, [25] * 8)) == 200
        asyncio.run_coroutine_threadsafe(pools[0].stop(), site._loop).result(10)
