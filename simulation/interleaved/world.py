"""A world in which several act at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from simulation.broken import Broken
from simulation.clock import Clock
from simulation.connections import Faults, WorldsDatabase
from simulation.databases import WorldDatabase
from simulation.interleaved.connections import GatedConnection, GatedDatabase
from simulation.interleaved.databases import REPEATABLE_READ, SharedDatabase
from simulation.interleaved.turns import Actor, Turns
from simulation.kafka import AWAY, HALF
from simulation.stripe_model.api import WRITING
from simulation.tape import Tape
from simulation.terms import LIMITED
from simulation.world import World

RATES = (0.0, 0.0, 0.01, 0.03)
REPEATABLE = 0.2
"""How probable it is that a database has this isolation by default."""


class InterleavedWorld(World):
    works_at_once = True

    def __init__(
        self, tape: Tape, clock: Clock, checkout: SharedDatabase, application: SharedDatabase, turns: Turns
    ) -> None:
        super().__init__(tape, clock, checkout, application)
        limited = replace(self.swarm, terms=tape.pick(LIMITED)) if tape.chance(0.25) else self.swarm
        self.swarm = replace(limited, rate=tape.pick(RATES))
        for database in (checkout, application):
            if tape.chance(REPEATABLE):
                database.isolation = REPEATABLE_READ
        self.turns = turns
        turns.impatience = self.swarm.rate
        self.settled: set[str] = set()
        """Ids of events of which a webhook said so."""
        self.broken: list[Broken] = []
        """Rules that were broken while several acted."""
        self.at_once: Sequence[Actor] = ()
        self.faults_before = 0
        """How many there had been when these began."""
        self.judge_at_once: Callable[[], None] = lambda: None
        """Requires what must hold once those have ended."""
        self.first_users: Sequence[int] | None = None
        """Those who were there before anything happened; None before that."""
        self.holding: list[GatedConnection] = []
        """Of somebody who holds a row until all have ended."""
        self.is_ordering = False
        """Who holds a row has only inserted one that refers to it."""
        self._databases: list[GatedDatabase] = []
        self.connecting = self._connecting

    def _connecting(self, database: WorldDatabase, faults: Faults) -> WorldsDatabase:
        made = GatedDatabase(database, faults, self.turns)
        self._databases.append(made)
        return made

    def as_somebody(self, database: WorldDatabase) -> GatedConnection:
        """A connection of somebody else's, to whom nothing happens."""
        assert isinstance(database, SharedDatabase)
        return GatedConnection(database, _NoFaults(), self.turns)

    def let_go(self) -> None:
        """Those who hold something end."""
        for connection in self.holding:
            connection.close()
        self.holding.clear()
        self.is_ordering = False

    def end(self) -> None:
        for database in self._databases:
            database.close()

    def breaks(self, rule: str, text: str) -> None:
        """Said when all have ended."""
        self.broken.append(Broken(rule, text))

    def say(self, line: str) -> None:
        actor = self.turns.actor
        super().say(line if actor is None else f"  [{actor.kind}] {line}")

    def fault(self, place: str, names: Sequence[str]) -> str | None:
        """The broker is away, and a session is not created, more often than anything else fails."""
        if "statement" not in place and "connect" not in place:
            self.turns.pause()
        if place == "publish" and not self.is_calm:
            away = self.tape.fault(place, [AWAY, HALF], 0.2)
            if away is not None:
                self.say(f"  fault at publish: {away}")
                return away
        if place == "Stripe POST sessions" and not self.is_calm:
            lost = self.tape.fault(place, [one for one in names if one in WRITING], 0.2)
            if lost is not None:
                self.say(f"  fault at {place}: {lost}")
                return lost
        return super().fault(place, names)

    @property
    def is_alone(self) -> bool:
        return self.turns.actor is None

    def ran(self) -> None:
        """Judged when all have ended."""
        if self.is_alone:
            super().ran()

    def meanwhile(self) -> None:
        self.interruptions += 1
        self.turns.pause()


class _NoFaults:
    def at_statement(self, database: str) -> str | None:
        del database
        return None

    def at_connect(self, database: str) -> bool:
        del database
        return False

    def die(self) -> None: ...
    def freeze(self) -> None: ...


def hold_row(world: InterleavedWorld, database: WorldDatabase, rows: str, key: str) -> None:
    """Somebody holds one of these rows ("outbox WHERE …"), if there is one and nobody else has it."""
    found = database.rows(f"SELECT {key} AS key FROM {rows} ORDER BY 1")
    if not found:
        return
    chosen, table = world.tape.pick(found)["key"], rows.partition(" ")[0]
    locking = f"SELECT FROM {table} WHERE {key} = %s FOR UPDATE SKIP LOCKED"
    with _holding(world, database).cursor() as cursor:
        cursor.execute(f"BEGIN; {locking}", (chosen,))
    world.say(f"somebody holds {chosen} of {table}")


def open_order(world: InterleavedWorld) -> None:
    """The application has inserted an order of a user, and goes on later."""
    if not world.signed_up:
        return
    user_id = world.tape.pick(world.signed_up)
    with _holding(world, world.application).cursor() as cursor:
        cursor.execute("BEGIN; INSERT INTO orders (user_id) VALUES (%s)", (user_id,))
    world.is_ordering = True
    world.say(f"somebody orders for user {user_id}")


def _holding(world: InterleavedWorld, database: WorldDatabase) -> GatedConnection:
    """A connection that stays open until all have ended."""
    connection = world.as_somebody(database)
    world.holding.append(connection)
    return connection
