"""An application that is served while this process does something else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve it on this machine, and yield its URL. Port 0 is a free one. Raises SystemExit if it is taken."""
    try:
        listening = socket.create_server(("127.0.0.1", port))
    except OSError:
        raise SystemExit(f"error: port {port} is taken by another program: end that first") from None
    with listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            # Who connects before it has started waits in the queue of the socket.
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
