"""One execution environment of a function: the process of `runtime.py` and the socket to it."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from local import processes
from local.lambda_runtime.template import Function

REGION = "eu-central-1"
MAX_PAYLOAD = 6_291_456
"""Bytes of an event, and of a response: Lambda's 6 MB for a synchronous invocation."""

_LENGTHS = struct.Struct("!II")
_RUNTIME = Path(__file__).with_name("runtime.py")


class EnvironmentEnded(Exception):
    """The process is gone. The message says how it ended, in Lambda's words."""


class Environment(asyncio.Protocol):
    """Handles one event at a time. Made by `start`."""

    def __init__(self, process: subprocess.Popen[bytes], when_lost: Callable[["Environment"], None]) -> None:
        self.process = process
        self._when_lost = when_lost
        self._received = bytearray()
        self._answer: asyncio.Future[tuple[str, bytes]] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._closed = False

    @classmethod
    async def start(
        cls,
        function: Function,
        paths: Sequence[str],
        variables: Mapping[str, str],
        log: Callable[[str], None],
        when_lost: Callable[["Environment"], None],
    ) -> Self:
        """Start a process, which answers `ready` once it has imported the handler.

        `log` gets each line that it prints; `when_lost` is called if it ends between two events.
        """
        ours, theirs = socket.socketpair()
        number = theirs.fileno()
        with theirs:
            process = await asyncio.to_thread(
                processes.spawn,
                [sys.executable, "-P", str(_RUNTIME), str(number), function.handler, *paths],
                cwd=function.folder,
                env={**_lambda_variables(function), **variables},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[number],
            )
        loop = asyncio.get_running_loop()
        _, environment = await loop.create_connection(lambda: cls(process, when_lost), sock=ours)
        await loop.connect_read_pipe(lambda: _Lines(log), process.stdout)
        return environment

    async def ready(self) -> tuple[str, bytes]:
        """`("ready", b"")` or `("error", description)`. Raises EnvironmentEnded."""
        return await self._receive()

    async def handle(self, header: Mapping[str, Any], event: bytes) -> tuple[str, bytes]:
        """`("result", response)` or `("error", description)`. Raises EnvironmentEnded."""
        if self._transport is None or self._closed:
            raise EnvironmentEnded(await self.ending())
        head = json.dumps(header).encode()
        self._transport.write(_LENGTHS.pack(len(head), len(event)) + head + event)
        return await self._receive()

    async def stop(self) -> None:
        """Let an idle process end, and kill it after two seconds."""
        self._close()
        try:
            await asyncio.to_thread(self.process.wait, 2)
        except subprocess.TimeoutExpired:
            await self.kill()

    async def kill(self) -> None:
        """End the process at once, even in the middle of an event."""
        self._close()
        self.process.kill()
        await asyncio.to_thread(self.process.wait)

    async def ending(self) -> str:
        """How the process ended."""
        self._close()
        status = await asyncio.to_thread(processes.end, self.process, patience=1)
        return f"exit status {status}" if status >= 0 else f"signal {-status}"

    def _close(self) -> None:
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    async def _receive(self) -> tuple[str, bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        self._deliver()
        try:
            return await self._answer
        except ConnectionError as error:
            raise EnvironmentEnded(await self.ending()) from error
        finally:
            self._answer = None

    def _deliver(self) -> None:
        if self._answer is None or self._answer.done():
            return
        if len(self._received) >= _LENGTHS.size:
            head, payload = _LENGTHS.unpack_from(self._received)
            start, end = _LENGTHS.size + head, _LENGTHS.size + head + payload
            if len(self._received) >= end:
                kind = json.loads(self._received[_LENGTHS.size : start])["type"]
                self._answer.set_result((kind, bytes(self._received[start:end])))
                del self._received[:end]
                return
        if self._closed:
            self._answer.set_exception(ConnectionError())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._deliver()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        asked_for, self._closed = self._closed, True
        self._deliver()
        if self._answer is None and not asked_for:
            self._when_lost(self)


class _Lines(asyncio.Protocol):
    """Cuts the output of the process into lines."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._begun = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._log(line.decode(errors="replace"))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._begun:
            self._log(self._begun.decode(errors="replace"))


def _lambda_variables(function: Function) -> dict[str, str]:
    return {
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"local-{os.getpid()}",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "LAMBDA_TASK_ROOT": str(function.folder),
        "_HANDLER": function.handler,
        "TZ": ":UTC",
    }
