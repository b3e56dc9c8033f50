"""Secrets Manager, Lambda and CodeDeploy, as far as a function's first event asks them."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def serving(secrets: Mapping[str, str], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of 127.0.0.1 on which every secret has these values."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            asks_for_secret = self.headers.get("x-amz-target") == "secretsmanager.GetSecretValue"
            body = json.dumps({"SecretString": json.dumps(secrets)} if asks_for_secret else {}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/x-amz-json-1.1")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()
