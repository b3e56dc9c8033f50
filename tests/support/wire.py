"""A TCP proxy in front of a broker that reads the requests of producers."""

import socket
import struct
import threading
from contextlib import suppress

from local.kafka.embedded import Broker
from tests.support.sockets import exactly

_PRODUCE = 0
_HEADER = struct.Struct(">hhih")  # API, version, correlation id, length of the client's name


class TappedBroker:
    """Producers that bootstrap from `address` keep using it; `acks` has the setting of each request.

    They must use version 2.3 of the protocol, as with the embedded broker.
    """

    def __init__(self, broker: Broker) -> None:
        self._port = int(broker.address.rpartition(":")[2])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._own_port = int(self._listener.getsockname()[1])
        self.acks: list[int] = []
        """-1 stands for all in-sync replicas."""
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._own_port}"

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._port))
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
                threading.Thread(target=self._responses, args=(server, client), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while message := _message(client):
                api, _, _, name_length = _HEADER.unpack_from(message)
                if api == _PRODUCE:
                    # Behind the client's name and the transaction's, which is null: a length of -1.
                    [acks] = struct.unpack_from(">h", message, _HEADER.size + max(0, name_length) + 2)
                    self.acks.append(acks)
                server.sendall(struct.pack(">i", len(message)) + message)

    def _responses(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError), client, server:
            while message := _message(server):
                # The broker says where it is: here.
                here = message.replace(struct.pack(">i", self._port), struct.pack(">i", self._own_port))
                client.sendall(struct.pack(">i", len(here)) + here)


def _message(connection: socket.socket) -> bytes:
    """Without its length; empty at the end."""
    head = exactly(connection, 4)
    return exactly(connection, struct.unpack(">i", head)[0]) if head else b""
