"""The switchboard of the stack on this machine: what its console may break and mend, and nothing else.

A part that the stack did not start itself, such as a database of DATABASE_URL, is not on it.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import requests

from checkout.base.errors import InvalidRequest, Unavailable
from checkout.console.switchboard import Switch
from local import http_client
from local.lambda_runtime.functions import Functions
from local.stack.supervisor import Kept

WEBHOOKS = "Webhooks"
MODES = ("normal", "drop", "duplicate", "delay", "reorder")
"""Of the simulator's deliveries."""

_ACTS = {"running": ("stop", "kill"), "stopped": ("start",), "starting": (), "ended": ()}
"""State of a service or a function → what can be done."""

_SECONDS = 90.0
_ASK_SECONDS = 2.0


class Switchboard:
    """Called in threads other than the event loop's."""

    def __init__(self, kept: Sequence[Kept], functions: Functions, stripe_url: str | None) -> None:
        """`stripe_url` is the simulator's, None if Stripe's test mode is used. Made in the event loop."""
        self._kept = {one.name: one for one in kept}
        self._functions = functions
        self._stripe_url = stripe_url
        self._loop = asyncio.get_running_loop()

    def switches(self) -> list[Switch]:
        webhooks = [] if self._stripe_url is None else [self._webhooks()]
        services = [Switch(one.name, "service", one.state, _ACTS[one.state]) for one in self._kept.values()]
        functions = [
            Switch(name, "function", state, _ACTS[state]) for name, state in self._functions.states().items()
        ]
        return [*webhooks, *services, *functions]

    def act(self, name: str, act: str) -> None:
        if not any(one.name == name and act in one.acts for one in self.switches()):
            raise InvalidRequest(f"The switchboard cannot {act} {name} at the moment.")
        if name == WEBHOOKS:
            self._simulator("POST", {"mode": act})
        else:
            self._run(self._done(name, act))

    async def _done(self, name: str, act: str) -> None:
        kept, functions = self._kept.get(name), self._functions
        if kept is not None:
            await {"stop": kept.stop, "start": kept.start, "kill": kept.kill}[act]()
        else:
            of_function = {"stop": functions.switch_off, "start": functions.switch_on, "kill": functions.kill}
            await of_function[act](name)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)
        except (RuntimeError, OSError) as error:
            raise Unavailable(f"That failed, and is tried again: {error}") from error

    def _webhooks(self) -> Switch:
        try:
            mode = str(self._simulator("GET")["mode"])
        except Unavailable:
            return Switch(WEBHOOKS, "webhooks", "away", ())
        return Switch(WEBHOOKS, "webhooks", mode, [one for one in MODES if one != mode])

    def _simulator(self, method: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        url = f"{self._stripe_url}/_simulator/webhooks"
        try:
            answer = http_client.send(method, url, seconds=_ASK_SECONDS, json=body)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise Unavailable("The Stripe simulator does not answer.") from error
        found: dict[str, Any] = answer.json()
        return found
