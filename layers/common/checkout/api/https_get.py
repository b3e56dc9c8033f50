"""One GET that ends in time, whatever the server does, and follows no redirect."""

import http.client
import queue
import ssl
import threading
from urllib.parse import urlsplit

MAX_BYTES = 1_000_000

_TLS = ssl.create_default_context()

_HEADERS = {"Accept": "application/json", "User-Agent": "checkout"}
"""Firewalls in front of identity providers, such as Cloudflare's, answer 403 without a User-Agent."""


def body_of(url: str, seconds: float) -> bytes:
    """The body of a 200.

    Raises OSError if there is none within this time, and ValueError for any other status, a redirect
    included, and for more than MAX_BYTES.
    """
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def get() -> None:
        try:
            answers.put(_get(url, seconds))
        except (OSError, ValueError) as error:
            answers.put(error)
        except http.client.HTTPException as error:
            answers.put(ConnectionError(type(error).__name__))

    # A socket's timeout is that of one packet; a name that nobody resolves, or a server that sends a byte a
    # second, would take longer.
    threading.Thread(target=get, daemon=True).start()
    try:
        answer = answers.get(timeout=max(seconds, 0))
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _get(url: str, seconds: float) -> bytes:
    parts = urlsplit(url)
    host, timeout = parts.hostname or "", max(seconds, 0.001)
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, parts.port, timeout=timeout, context=_TLS
        )
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers=_HEADERS)
        response = connection.getresponse()
        if response.status != http.HTTPStatus.OK:
            raise ValueError(f"is answered with the status {response.status}")
        body = response.read(MAX_BYTES + 1)
    finally:
        connection.close()
    if len(body) > MAX_BYTES:
        raise ValueError(f"is answered with more than {MAX_BYTES} bytes")
    return body
