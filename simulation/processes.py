"""Processes of the code: execution environments that work at one event at a time, and die or freeze at any
call.

A process that is dead does nothing any more, whatever handles its exceptions.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from checkout.base.config import Config
from checkout.base.errors import CheckoutError
from checkout.system import System
from simulation import connections
from simulation.kafka import AWAY, WorldsPublisher
from simulation.server import APP_ID
from simulation.stripe_model import webhooks
from simulation.stripe_model.api import WorldsStripeApi
from simulation.world import World

DIES_BEFORE, DIES_AFTER, FREEZES = connections.DIES_BEFORE, connections.DIES_AFTER, connections.FREEZES
AT_A_CALL = (DIES_BEFORE, DIES_AFTER, FREEZES)
ENVIRONMENTS = 2
"""How many are kept warm."""

ENVIRONMENT = {
    "CHECKOUT_DATABASE_URL": "postgresql://world/checkout",
    "DATABASE_URL": "postgresql://world/application",
    "KAFKA_BROKERS": "world:9092",
    "STRIPE_SECRET": "sk_test_world",
    "STRIPE_WEBHOOK_SECRET": f"{webhooks.SECRET},{webhooks.PREVIOUS}",
    "JWT_SECRET": "a-secret-of-the-world-with-32-bytes",
    "CHECKOUT_SERVICE_TOKEN": "service-token-of-the-world",
    "CHECKOUT_APP_ID": APP_ID,
}


class Died(BaseException):
    """The process is no more."""


class Environment:
    """A process with a System of its own, subject to the world's faults."""

    def __init__(self, world: World, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        """With these settings besides those of the world."""
        self.is_dead = self.is_running = False
        self._world = world
        self._dies_after_call = False
        self._databases = world.connecting(world.checkout, self), world.connecting(world.application, self)
        self.system = self._made(
            {**ENVIRONMENT, **world.swarm.terms.settings, **world.settings, **settings},
            checkout_database=self._databases[0],
            application_database=self._databases[1],
            stripe_api=WorldsStripeApi(world.stripe, world.clock, self),
            kafka_publisher=WorldsPublisher(world.topics, self),
        )

    def _made(self, settings: dict[str, str], **parts: Any) -> System:
        """With these parts for what is outside of it."""
        return System(Config(settings), **parts)

    def at_statement(self, database: str) -> str | None:
        self._require_alive()
        fault = self._last() or self._world.fault(f"{database} statement", self._world.swarm.at_statement)
        if fault in (connections.LOST_BEFORE, connections.LOST_AFTER):
            self._world.counts["lost answers"] += 1
        return fault

    def at_connect(self, database: str) -> bool:
        self._require_alive()
        return self._world.fault(f"{database} connect", self._world.swarm.at_connect) is not None

    def at_stripe(self, call: str, names: Sequence[str]) -> str | None:
        return self._at_call(f"Stripe {call}", [one for one in names if one in self._world.swarm.at_stripe])

    def after_stripe(self, call: str) -> None:
        del call
        self._after_call()

    def states_behind(self, most: int) -> int:
        return self._world.tape.number(0, most)

    def at_publish(self, names: Sequence[str]) -> str | None:
        if not self._world.is_calm and self._world.clock.epoch < self._world.broker_returns:
            return AWAY
        return self._at_call("publish", [one for one in names if one in self._world.swarm.at_publish])

    def after_publish(self) -> None:
        self._after_call()

    def not_published(self, effect_key: str, value: bytes) -> None:
        self._world.unpublished[effect_key] = value

    def die(self) -> None:
        self.is_dead = True
        self._world.counts["crashes"] += 1
        self._break_off(only_in_transaction=False)
        raise Died

    def end(self) -> None:
        """It is not needed any more."""
        for database in self._databases:
            database.close()

    def freeze(self) -> None:
        """For longer than the server lets a session idle in a transaction. Others go on meanwhile."""
        self._world.counts["freezes"] += 1
        self._break_off(only_in_transaction=True)
        self._world.clock.pass_(self._world.tape.number(31, 600))
        self._world.meanwhile()

    def _at_call(self, place: str, names: Sequence[str]) -> str | None:
        self._require_alive()
        own = [one for one in AT_A_CALL if one in self._world.swarm.at_statement]
        fault = self._last() or self._world.fault(place, [*names, *own])
        if fault == DIES_BEFORE:
            self.die()
        if fault == FREEZES:
            self.freeze()
        self._dies_after_call = fault == DIES_AFTER
        if fault is not None and "lost" in fault:
            self._world.counts["lost answers"] += 1
        return None if fault in AT_A_CALL else fault

    def _last(self) -> str | None:
        if not self._world.is_last_call():
            return None
        return DIES_BEFORE if self._world.tape.chance(0.5) else DIES_AFTER

    def _after_call(self) -> None:
        if self._dies_after_call:
            self.die()

    def _break_off(self, *, only_in_transaction: bool) -> None:
        for database in self._databases:
            database.break_off(only_in_transaction=only_in_transaction)

    def _require_alive(self) -> None:
        if self.is_dead:
            raise Died


class Processes:
    """The environments of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._warm: list[Environment] = []

    def run(self, act: Callable[[System], Any]) -> Any:
        """What `act` returns in some environment; the CheckoutError that it raises; or Died."""
        environment = self._free()
        try:
            return self.run_in(environment, act)
        finally:
            if environment.is_dead:
                self._warm.remove(environment)

    def deploy(self) -> None:
        """Nothing: all of them are of this release."""

    def complete(self) -> None:
        """End what `deploy` has begun."""

    def run_in(self, environment: Environment, act: Callable[[System], Any]) -> Any:
        """The same in this environment."""
        environment.is_running = True
        self._world.metrics.begin()
        try:
            return act(environment.system)
        except Died as death:
            return death
        except CheckoutError as error:
            return error
        finally:
            self._world.metrics.end(has_died=environment.is_dead)
            environment.is_running = False

    def replace(self) -> None:
        """The next event finds a fresh environment."""
        for one in self._warm:
            one.end()
        self._warm.clear()

    def _free(self, kind: type[Environment] = Environment) -> Environment:
        free = [one for one in self._warm if not one.is_running and type(one) is kind]
        if free and not self._world.tape.chance(0.2):
            return self._world.tape.pick(free)
        if len(free) >= ENVIRONMENTS:
            self._warm.remove(free[0])
            free[0].end()
        self._warm.append(kind(self._world))
        return self._warm[-1]
