"""One HTTP POST, as an asyncio coroutine that can be cancelled at any moment."""

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import h11

CHUNK = 65536


class PostFailed(Exception):
    """There was no answer: refused, cut off, or not HTTP. The message says which."""


async def post(url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
    """Send the body and return the answer's status once all of it has arrived. Raises `PostFailed`.

    A redirect is an answer like any other, and is not followed.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _exchange(url, body, headers)
    except TimeoutError as error:
        raise PostFailed(f"no answer within {timeout_seconds:g} s") from error
    except (OSError, ValueError) as error:
        raise PostFailed(f"{type(error).__name__}: {error}") from error
    except h11.ProtocolError as error:
        raise PostFailed(f"not HTTP: {error}") from error


async def _exchange(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    context = ssl.create_default_context() if secure else None
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    try:
        connection = h11.Connection(h11.CLIENT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        fields = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close", **headers}
        request = h11.Request(method="POST", target=target, headers=list(fields.items()))
        for event in (request, h11.Data(body), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        return await _status(connection, reader)
    finally:
        writer.close()


async def _status(connection: h11.Connection, reader: asyncio.StreamReader) -> int:
    status = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.EndOfMessage):
            return status
        elif isinstance(event, h11.ConnectionClosed):
            raise h11.RemoteProtocolError("closed without an answer")
