"""Forwards ports of another address of this machine to the same ports of 127.0.0.1."""

import asyncio
from collections.abc import Awaitable, Callable


async def forward(host: str, port: int) -> asyncio.Server:
    """Forward connections from `host` to 127.0.0.1 until the server is closed."""
    return await asyncio.start_server(_to(port), host, port)


def _to(port: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))

    return serve


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
