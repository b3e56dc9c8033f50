"""A server of `sam local`: here a program that cleans up when interrupted, unless that happens twice."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local.processes import free_port
from local.sam.server import SamServer, SamServerError

PROGRAM = """
import signal, socket, sys, time

def clean_up(*_):
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    time.sleep(0.5)
    open(sys.argv[2], "w").close()
    sys.exit()

signal.signal(signal.SIGINT, clean_up)
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("listens", flush=True)
while True:
    time.sleep(1)
"""
Make = Callable[[str], SamServer]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def make(program: str) -> SamServer:
        port = free_port()
        command = [sys.executable, "-c", program, str(port), str(tmp_path / "clean")]
        return SamServer(command, port, tmp_path / "log", os.environ)

    return make


def test_it_has_the_time_to_clean_up(make: Make, tmp_path: Path) -> None:
    server = make(PROGRAM)
    server.start()

    server.stop()

    assert (tmp_path / "clean").exists()
    assert server.process is None


def test_it_can_be_started_again_and_keeps_its_log(make: Make, tmp_path: Path) -> None:
    server = make(PROGRAM)
    for _ in range(2):
        server.start()
        server.stop()

    assert (tmp_path / "log").read_text() == "listens\n" * 2


def test_one_that_ends_is_no_server(make: Make, tmp_path: Path) -> None:
    server = make("raise SystemExit(1)")

    with pytest.raises(SamServerError, match=str(tmp_path / "log")):
        server.start()
    assert server.process is None
