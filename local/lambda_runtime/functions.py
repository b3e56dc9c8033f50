"""All functions of the template, ready to be invoked by name."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

from checkout.base.settings import SECRETS
from local.lambda_runtime.environments import FunctionEnvironments, Result
from local.lambda_runtime.template import Function, Template

# They would change a handler's imports, and Lambda does not set them either.
_NOT_INHERITED = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"})
_OF_ALL = "CHECKOUT_DATABASE_URL"


class Functions(ABC):
    """All functions of the template, ready to be invoked by name; belongs to one event loop."""

    @abstractmethod
    async def invoke(self, name: str, event: object) -> Result:
        """Invoke a function. Raises KeyError if there is none of that name."""

    @abstractmethod
    def invoke_from_thread(self, name: str, event: object) -> "Future[Result]":
        """Invoke a function from a thread other than the event loop's."""

    @abstractmethod
    async def warm(self, names: Iterable[str]) -> None:
        """Start one environment of each function, one after the other: importing takes a whole core."""

    @abstractmethod
    async def stop(self) -> None:
        """End all environments."""

    def states(self) -> Mapping[str, str]:
        """Name → running, or stopped by `switch_off`; only of functions that can be switched: here none."""
        return {}

    async def switch_off(self, name: str) -> None:
        """Kill its environments, and let each event fail until `switch_on`. As the other two, raises KeyError
        if `states` does not name it."""
        raise KeyError(name)

    async def switch_on(self, name: str) -> None:
        raise KeyError(name)

    async def kill(self, name: str) -> None:
        """Kill its environments; others are started."""
        raise KeyError(name)


class LocalFunctions(Functions):
    """In environments of our own, which are started when first needed."""

    def __init__(
        self,
        template: Template,
        variables: Mapping[str, str],
        log: Callable[[str, str], None],
        environments: int = 2,
    ) -> None:
        """`variables` win over the template's; `environments` limits the events of one function at a time."""
        self._loop = asyncio.get_running_loop()
        self._environments = {
            name: FunctionEnvironments(
                function, template.layers, environment(function, variables), log, environments
            )
            for name, function in template.functions.items()
        }

    async def invoke(self, name: str, event: object) -> Result:
        return await self._environments[name].invoke(event)

    def invoke_from_thread(self, name: str, event: object) -> "Future[Result]":
        call: Coroutine[Any, Any, Result] = self.invoke(name, event)
        return asyncio.run_coroutine_threadsafe(call, self._loop)

    def states(self) -> Mapping[str, str]:
        return {name: environments.state for name, environments in self._environments.items()}

    async def switch_off(self, name: str) -> None:
        self._environments[name].switch_off()

    async def switch_on(self, name: str) -> None:
        self._environments[name].switch_on()

    async def kill(self, name: str) -> None:
        self._environments[name].kill()

    async def warm(self, names: Iterable[str]) -> None:
        for name in names:
            await self._environments[name].warm()

    async def stop(self) -> None:
        await asyncio.gather(*(environments.stop() for environments in self._environments.values()))


def environment(function: Function, variables: Mapping[str, str]) -> dict[str, str]:
    """The function's variables in addition to Lambda's own. A secret that it may not read is empty."""
    merged = {**function.environment, **variables, **dict.fromkeys(unreadable(function), "")}
    return {name: value for name, value in merged.items() if name not in _NOT_INHERITED}


def unreadable(function: Function) -> set[str]:
    """The secrets that the function may not read on AWS: the template gives it no ARN of what holds them.

    The URL of the checkout database has no password there, and all functions have it.
    """
    return {one.name for one in SECRETS if one.kept_in not in function.own_variables} - {_OF_ALL}
