"""A TCP proxy in front of PostgreSQL that counts round trips."""

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from tests.support.sockets import exactly

_ENDS_A_REQUEST = b"QSF"
"""The messages to which PostgreSQL answers ReadyForQuery: Query, Sync (which ends a series of the extended
protocol's messages) and FunctionCall."""


class RoundTrips:
    """Counts requests on all connections to `url(…)`, from the start of `counting` to its end."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._port = int(self._listener.getsockname()[1])
        self.count = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, server_url: str) -> str:
        """A URL of the server as one of the proxy. The connection is not encrypted."""
        return re.sub(r":\d+/", f":{self._port}/", server_url) + "?sslmode=disable&gssencmode=disable"

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Afterwards `count` is of the block alone."""
        self.count = 0
        yield

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._server.hostname or "", self._server.port or 5432))
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            server.sendall(_body(client))  # The start-up message has no type.
            while kind := exactly(client, 1):
                message = _body(client)
                # Counted first: the test goes on as soon as the answer is here.
                self.count += kind in _ENDS_A_REQUEST
                server.sendall(kind + message)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError), client, server:
            while part := server.recv(65536):
                client.sendall(part)


def _body(connection: socket.socket) -> bytes:
    """A message with its length, which counts itself."""
    length = exactly(connection, 4)
    return length + exactly(connection, struct.unpack(">i", length)[0] - 4) if length else b""
