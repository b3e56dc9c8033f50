"""Ports that are chosen before a server listens on them."""

import socket
import sys

import pytest

from local import processes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server bind beside who holds the port")
def test_a_port_is_kept_for_a_server_that_comes_later_and_again() -> None:
    port = processes.free_port()

    assert processes.is_free(port)
    with socket.socket() as somebody, pytest.raises(OSError, match="in use"):
        somebody.bind(("127.0.0.1", port))
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)):
            assert not processes.is_free(port)
            with pytest.raises(OSError, match="in use"):
                socket.create_server(("127.0.0.1", port))
    assert processes.is_free(port)


def test_no_port_is_chosen_twice() -> None:
    ports = [processes.free_port() for _ in range(100)]

    assert len(set(ports)) == len(ports)
