"""All functions of the template, ready to be invoked by name."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from local.lambda_runtime.template import Function, Template
from local.lambda_runtime.workers import FunctionWorkers, Result

# What would change a handler's imports; Lambda sets it to nothing, either.
_NOT_INHERITED = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"})


class Functions:
    """Their workers, started when first needed; lives in one event loop."""

    def __init__(
        self,
        template: Template,
        variables: Mapping[str, str],
        log: Callable[[str, str], None],
        environments: int = 2,
    ) -> None:
        """`variables` win over those of the template; `environments` is how many events of one at once."""
        self._loop = asyncio.get_running_loop()
        self._workers = {
            name: FunctionWorkers(
                function, template.layers, environment(function, variables), log, environments
            )
            for name, function in template.functions.items()
        }

    @property
    def pids(self) -> list[int]:
        """All worker processes."""
        return [pid for workers in self._workers.values() for pid in workers.pids]

    async def invoke(self, name: str, event: object) -> Result:
        """Invoke a function; KeyError if there is none of that name."""
        return await self._workers[name].invoke(event)

    def invoke_from_thread(self, name: str, event: object) -> "Future[Result]":
        """The same from another thread than the event loop's."""
        call: Coroutine[Any, Any, Result] = self.invoke(name, event)
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    async def warm(self, names: Iterable[str]) -> None:
        """Have one environment of each ready, one after the other: importing takes a whole core."""
        for name in names:
            await self._workers[name].warm()

    async def stop(self) -> None:
        """End all workers."""
        await asyncio.gather(*(workers.stop() for workers in self._workers.values()))


def environment(function: Function, variables: Mapping[str, str]) -> dict[str, str]:
    """What a function's worker gets beside Lambda's own variables."""
    merged = {**function.environment, **variables}
    return {name: value for name, value in merged.items() if name not in _NOT_INHERITED}
