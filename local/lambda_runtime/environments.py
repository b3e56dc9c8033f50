"""The execution environments of a function: one for each event at the same time, up to a limit.

They belong to one event loop, are started when needed, and stay warm until the code changes.
"""

import asyncio
import json
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.lambda_runtime.environment import MAX_PAYLOAD, Environment, EnvironmentEnded
from local.lambda_runtime.sources import Sources
from local.lambda_runtime.template import Function

_INIT_SECONDS = 30.0
_MAX_WAITING = 1000

Log = Callable[[str, str], None]
"""Takes a function's name and one line that it printed."""


class PayloadTooLarge(ValueError):
    """The event is larger than Lambda accepts."""


class Throttled(RuntimeError):
    """Too many events wait for a free environment of the function."""


@dataclass(frozen=True)
class Result:
    """The outcome of an invocation: the response as JSON, or Lambda's description of the error."""

    payload: bytes
    is_error: bool = False

    @property
    def value(self) -> Any:
        """The decoded payload."""
        return json.loads(self.payload)


class FunctionEnvironments:
    """The environments of one function."""

    def __init__(
        self,
        function: Function,
        layers: tuple[Path, ...],
        variables: Mapping[str, str],
        log: Log,
        size: int = 2,
    ) -> None:
        """`variables` are added to those that Lambda sets; `size` limits the events at the same time."""
        self.function = function
        self._paths = [str(function.folder), *map(str, layers)]
        self._variables = variables
        self._log = log
        self._slots = asyncio.Semaphore(size)
        self._idle: list[Environment] = []
        self._all: set[Environment] = set()
        self._outdated: set[Environment] = set()
        self._sources = Sources(self._paths)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._stopping = False
        self._is_off = False

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run now."""
        return [environment.process.pid for environment in self._all]

    @property
    def state(self) -> str:
        """running, or stopped by `switch_off`."""
        return "stopped" if self._is_off else "running"

    def switch_off(self) -> None:
        """Kill all environments, and start none until `switch_on`: every event fails."""
        self._is_off = True
        self.kill()

    def switch_on(self) -> None:
        self._is_off = False

    def kill(self) -> None:
        """Kill all environments (SIGKILL), even in the middle of an event; others are started."""
        for environment in self._all:
            environment.process.kill()

    async def warm(self) -> None:
        """Start one environment unless one is idle. A handler that cannot be imported is only logged."""
        async with self._slots:
            self._notice_changes()
            if not self._idle and isinstance(started := await self._start(), Environment):
                self._rest(started)

    async def invoke(self, event: object) -> Result:
        """Handle one event, waiting for a free environment. Raises PayloadTooLarge and Throttled."""
        payload = json.dumps(event, separators=(",", ":")).encode()
        if len(payload) > MAX_PAYLOAD:
            raise PayloadTooLarge(f"{len(payload)} bytes")
        if self._waiting >= _MAX_WAITING:
            raise Throttled(self.function.name)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            self._notice_changes()
            # One that was just killed may not have been noticed yet.
            environment = self._idle.pop() if self._idle and not self._is_off else await self._start()
            return (
                environment if isinstance(environment, Result) else await self._handle(environment, payload)
            )
        finally:
            self._slots.release()

    async def stop(self) -> None:
        """End every environment; an event that one still handles is given up."""
        self._stopping = True
        busy = self._all.difference(self._idle)
        await asyncio.gather(*(one.stop() for one in self._idle), *(one.kill() for one in busy))
        self._idle.clear()
        self._all.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _handle(self, environment: Environment, payload: bytes) -> Result:
        request_id = str(uuid.uuid4())
        header = {
            "request_id": request_id,
            "deadline_ms": int((time.time() + self.function.timeout) * 1000),
            "trace_id": f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Sampled=0",
        }
        try:
            async with asyncio.timeout(self.function.timeout):
                kind, answer = await environment.handle(header, payload)
        except TimeoutError:
            await self._discard(environment)
            message = f"{request_id} Task timed out after {self.function.timeout}.00 seconds"
            return self._failed("Sandbox.Timedout", message)
        except EnvironmentEnded as ended:
            self._all.discard(environment)
            message = f"RequestId: {request_id} Error: Runtime exited with error: {ended}"
            return self._failed("Runtime.ExitError", message)
        except BaseException:
            await self._discard(environment)  # Its answer would be taken for that of the next event.
            raise
        self._rest(environment)
        if len(answer) > MAX_PAYLOAD:
            message = f"Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."
            return self._failed("Function.ResponseSizeTooLarge", message)
        return Result(answer, is_error=kind == "error")

    async def _start(self) -> Environment | Result:
        """A new environment that has imported its handler, or why there is none."""
        if self._stopping:
            return self._failed("Runtime.ExitError", "everything is being stopped")
        if self._is_off:
            return self._failed("Runtime.ExitError", "the function is stopped at the switchboard")
        try:
            environment = await Environment.start(
                self.function, self._paths, self._variables, self._log_line, self._lost
            )
        except OSError as error:
            return self._failed("Runtime.InvalidEntrypoint", str(error))
        self._all.add(environment)
        try:
            async with asyncio.timeout(_INIT_SECONDS):
                kind, answer = await environment.ready()
        except (TimeoutError, EnvironmentEnded) as error:
            await self._discard(environment)
            how = str(error) or f"not ready after {_INIT_SECONDS:.0f} seconds"
            return self._failed("Runtime.ExitError", f"Runtime exited during initialization: {how}")
        except BaseException:
            await self._discard(environment)
            raise
        if kind == "error":
            await self._discard(environment)
            return Result(answer, is_error=True)
        return environment

    def _notice_changes(self) -> None:
        """End the environments that have loaded other code; a busy one ends when it has answered."""
        if self._sources.have_changed():
            self._log_line("[INFO] the code has changed, and is loaded anew")
            self._outdated |= self._all
            while self._idle:
                self._rest(self._idle.pop())

    def _rest(self, environment: Environment) -> None:
        if self._stopping or environment in self._outdated:
            self._outdated.discard(environment)
            self._all.discard(environment)
            self._in_background(environment.stop())
        else:
            self._idle.append(environment)

    def _lost(self, environment: Environment) -> None:
        """Replace an environment that ended between two events."""
        self._all.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
        if not self._stopping:
            self._in_background(self._replace(environment))

    async def _replace(self, environment: Environment) -> None:
        how = await environment.ending()
        self._log_line(f"[ERROR] an idle environment ended ({how}); another one is started")
        await self.warm()

    async def _discard(self, environment: Environment) -> None:
        self._all.discard(environment)
        await environment.kill()

    def _failed(self, kind: str, message: str) -> Result:
        self._log_line(f"[ERROR] {kind}: {message}")
        description = {"errorMessage": message, "errorType": kind}
        return Result(json.dumps(description).encode(), is_error=True)

    def _log_line(self, line: str) -> None:
        self._log(self.function.name, line)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
