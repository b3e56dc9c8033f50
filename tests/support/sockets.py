"""Reading from a socket."""

import socket


def exactly(connection: socket.socket, length: int) -> bytes:
    """So many bytes; none if the connection ends before."""
    received = b""
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            return b""
        received += part
    return received
