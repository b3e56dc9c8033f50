"""The whole stack in a process of its own, with its own ports and data, as `make run` starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARTS = ("functions", "layers", "local", "template.yaml")
START_SECONDS = 60
STOP_SECONDS = 20


@contextmanager
def running_stack(folder: Path) -> Iterator[dict[str, Any]]:
    """Run it in an empty folder; gives what its `stack.json` says.

    The folder becomes a project of its own: neither the `.env` nor the data of this one are touched.
    """
    for part in PARTS:
        (folder / part).symlink_to(ROOT / part)
    port, stripe_port = _free_ports(2)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    output = folder / "output.txt"
    with output.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "run"],
            cwd=folder,
            env=environment | {"PORT": str(port), "STRIPE_PORT": str(stripe_port)},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _description(folder / ".local" / "stack.json", process, output)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def _description(path: Path, process: subprocess.Popen[bytes], output: Path) -> dict[str, Any]:
    give_up_at = time.monotonic() + START_SECONDS
    while not path.exists():
        if process.poll() is not None or time.monotonic() > give_up_at:
            raise RuntimeError(f"the stack did not start:\n{output.read_text(errors='replace')}")
        time.sleep(0.1)
    description: dict[str, Any] = json.loads(path.read_text())
    return description


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [server.getsockname()[1] for server in taken]
    for server in taken:
        server.close()
    return ports
