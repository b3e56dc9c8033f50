"""API Gateway's HTTP API on one machine: the template's routes in front of the functions."""

import asyncio
import re
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

import uvicorn

from local.gateway.http_event import MalformedResponse, Request, Response, event_of, message, response_of
from local.lambda_runtime.environments import PayloadTooLarge, Result, Throttled
from local.lambda_runtime.template import Route

MAX_BODY = 10 * 1024 * 1024
"""Bytes of a request body: API Gateway's own limit, above that of the function's event."""

_INTEGRATION_SECONDS = 30.0
_BACKLOG = 2048
_MAX_DRAINED = 10 * MAX_BODY

Invoke = Callable[[str, dict[str, Any]], Awaitable[Result]]
"""Takes a function's name and the event. May raise PayloadTooLarge and Throttled."""
Observe = Callable[[str, str, int, float], None]
"""Called for every answer with method, path, status and seconds."""
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


class Router:
    """Finds the route of a request. Names win over variables, a method over ANY; `{greedy+}` comes last."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [(_pattern(route.path), route) for route in sorted(routes, key=_rank)]

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route for a percent-encoded path, and its decoded parameters."""
        for pattern, route in self._routes:
            if route.method in (method, "ANY") and (found := pattern.fullmatch(path)):
                return route, {name: unquote(value) for name, value in found.groupdict().items()}
        return None


class Gateway:
    """The HTTP API as an ASGI application."""

    def __init__(
        self,
        routes: Iterable[Route],
        invoke: Invoke,
        observe: Observe = lambda *_: None,
        integration_seconds: float = _INTEGRATION_SECONDS,
    ) -> None:
        self._router = Router(routes)
        self._invoke = invoke
        self._observe = observe
        self._integration_seconds = integration_seconds
        self._running: set[asyncio.Future[Result]] = set()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        begun = time.monotonic()
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        request_id = secrets.token_urlsafe(11)
        try:
            response = await self._respond(scope, receive, method, path, request_id)
        except _HungUp:
            return
        self._observe(method, path, response.status, time.monotonic() - begun)
        headers = [(name.encode(), value.encode()) for name, value in response.headers]
        headers += [
            (b"content-length", str(len(response.body)).encode()),
            (b"apigw-requestid", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond(
        self, scope: _Message, receive: _Receive, method: str, path: str, request_id: str
    ) -> Response:
        body = await _read(receive)
        if (found := self._router.find(method, path)) is None:
            return message(404, "Not Found")
        if body is None:
            return message(413, "Request Entity Too Large")
        request = Request(
            method=method,
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
            ),
            body=body,
            source_ip=scope["client"][0] if scope.get("client") else "",
            request_id=request_id,
            protocol=f"HTTP/{scope['http_version']}",
        )
        route, parameters = found
        invocation = asyncio.ensure_future(self._invoke(route.function, event_of(request, route, parameters)))
        self._running.add(invocation)
        invocation.add_done_callback(self._running.discard)
        try:
            # The function continues after the gateway has stopped waiting, as on AWS.
            result = await asyncio.wait_for(asyncio.shield(invocation), self._integration_seconds)
            return message(500, "Internal Server Error") if result.is_error else response_of(result.value)
        except PayloadTooLarge:
            return message(413, "Request Entity Too Large")
        except (TimeoutError, Throttled):
            return message(503, "Service Unavailable")
        except MalformedResponse:
            return message(500, "Internal Server Error")


def claim(port: int) -> socket.socket:
    """A socket for a Server that listens on 127.0.0.1. Raises OSError if the port is taken.

    Clients that connect before the server runs have to wait.
    """
    # The protocol is named because asyncio checks it before it sets TCP_NODELAY.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class Server:
    """Serves an application on a bound socket, inside the running event loop."""

    def __init__(self, application: Gateway, listener: socket.socket) -> None:
        config = uvicorn.Config(
            application,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        self._server = _SignalFreeServer(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once requests are served."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Finish the requests under way, for two seconds at most, and close."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


class _SignalFreeServer(uvicorn.Server):
    """Leaves signals to the stack, which stops its parts in order."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class _HungUp(Exception):
    """The client disconnected in the middle of its body, so nobody waits for an answer."""


async def _read(receive: _Receive) -> bytes | None:
    """The whole body, or None if it is too large. That is read to its end, too, so the client gets an answer.

    Raises _HungUp.
    """
    chunks: list[bytes] = []
    size = 0
    while size <= _MAX_DRAINED:
        part = await receive()
        if part["type"] == "http.disconnect":
            raise _HungUp
        size += len(part.get("body", b""))
        if size <= MAX_BODY:
            chunks.append(part.get("body", b""))
        if not part.get("more_body", False):
            break
    return b"".join(chunks) if size <= MAX_BODY else None


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)(\+?)}", path)
    pattern = re.escape(parts[0])
    for name, greedy, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if greedy else '[^/]+'}){re.escape(literal)}"
    return re.compile(pattern)


def _rank(route: Route) -> tuple[list[int], bool]:
    kinds = [2 if "+}" in part else 1 if "{" in part else 0 for part in route.path.split("/")]
    return kinds, route.method == "ANY"
