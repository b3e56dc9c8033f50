import asyncio
import socket

import pytest

from stripe_simulator.webhooks.posting import PostFailed, post


def answer(raw: bytes | None, timeout_seconds: float = 2.0) -> tuple[int, bytes]:
    """POST to a server that reads a request and sends these bytes, or with None nothing."""
    requests = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.extend(await reader.readuntil(b"\r\n\r\n"))
        requests.extend(await reader.readexactly(2))
        if raw is None:
            await reader.read()
        else:
            writer.write(raw)
        writer.close()

    async def scenario() -> int:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await post(f"http://127.0.0.1:{port}/x?y=z", b"{}", {"A": "b"}, timeout_seconds)
        finally:
            server.close()

    return asyncio.run(scenario()), bytes(requests)


def test_the_status_and_what_was_sent() -> None:
    status, request = answer(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert status == 204
    assert request.startswith(b"POST /x?y=z HTTP/1.1\r\n")
    assert b"\r\nA: b\r\n" in request
    assert request.endswith(b"\r\n\r\n{}")


def test_the_body_is_waited_for() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")[0] == 200
    assert answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")[0] == 500


@pytest.mark.parametrize(
    "raw",
    [b"", b"not HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"],
    ids=["empty", "no", "cut"],
)
def test_half_an_answer_is_none(raw: bytes) -> None:
    with pytest.raises(PostFailed):
        answer(raw)


def test_silence_ends_after_its_time() -> None:
    with pytest.raises(PostFailed, match=r"no answer within 0\.1 s"):
        answer(None, timeout_seconds=0.1)


def test_a_closed_port_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(PostFailed, match="Connect"):
        asyncio.run(post(f"http://127.0.0.1:{port}/", b"{}", {}, 1.0))
    with pytest.raises(PostFailed):
        asyncio.run(post("http://127.0.0.1:99999/", b"{}", {}, 1.0))
