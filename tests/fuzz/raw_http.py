"""Requests in bytes over kept connections."""

import socket
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse

SECONDS = 60.0


@dataclass(frozen=True)
class Request:
    """A request; `allowed` are its valid statuses, by default any below 500. A chunked body has no length."""

    method: str
    target: str
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes | None = None
    allowed: frozenset[int] = field(default_factory=frozenset)
    is_chunked: bool = False

    def encoded(self, host: str) -> bytes:
        lines = [
            f"{self.method} {self.target} HTTP/1.1".encode("latin-1", "replace"),
            f"host: {host}".encode(),
        ]
        lines += [name.encode("latin-1", "replace") + b": " + value for name, value in self.headers]
        if self.body is None:
            return b"\r\n".join([*lines, b"", b""])
        if self.is_chunked:
            parts = [self.body[at : at + 50] for at in range(0, min(len(self.body), 5_000), 50)]
            parts.append(self.body[5_000:])
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
            return b"\r\n".join([*lines, b"transfer-encoding: chunked", b"", chunks + b"0\r\n\r\n"])
        return b"\r\n".join([*lines, b"content-length: %d" % len(self.body), b"", self.body])


@dataclass(frozen=True)
class Answer:
    """A response; `status` is 0 if the connection ended without one."""

    status: int
    content_type: str
    body: bytes


class Connection:
    """A connection to one server, which threads must not share."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def ask(self, request: Request) -> Answer:
        """Send a request. It is retried once, since the server may have closed the kept connection."""
        is_kept = self._socket is not None
        answer = self._ask(request)
        return self._ask(request) if answer.status == 0 and is_kept else answer

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: Request) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request.encoded(":".join(map(str, self._address))))
            response = HTTPResponse(self._socket, method=request.method)
            response.begin()
            body = response.read()
        except (OSError, HTTPException):
            self.close()
            return Answer(0, "", b"")
        if response.will_close:
            self.close()
        return Answer(response.status, response.headers.get("content-type", ""), body)
