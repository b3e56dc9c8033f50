"""Processes of both releases, and the deployment that replaces one by the other: first the schema, then the
code. It can end at any point, go on later, and be taken back; the old code works on the new schema then.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from checkout.release.migrate import MIGRATIONS
from checkout.system import System
from simulation import deaths
from simulation.broken import Broken
from simulation.own import as_ours
from simulation.processes import Environment, Processes
from simulation.upgraded import release_before
from simulation.world import World

WEIGHT = 6.0
"""How often the deployment goes on: see swarm.WEIGHTS."""
FAULTS_LEFT = 0.05
"""Of the faults at statements, in a migration: it has so many statements that it would never come to its end.
"""
STATEMENTS = (3, 4)
"""Of each migration that was applied before: with a transaction around it, or without."""
BEFORE_THE_FIRST = (8, 20)
"""About so many statements come before those."""
DEATHS = 8
"""In a row."""


class EnvironmentBefore(Environment):
    """A process of the release before, subject to the same faults."""

    def _made(self, settings: dict[str, str], **parts: Any) -> System:
        own = release_before.module
        database, stripe = own("base.postgres").Database, own("payments.stripe_api").StripeApi
        kafka = own("outbox.producer").KafkaPublisher(["world:9092"])
        kafka = _lent(kafka, parts["kafka_publisher"], "publish", "require")
        if hasattr(kafka, "refused"):
            # What publish returned before there was Published.
            kafka.publish = lambda *given: parts["kafka_publisher"].publish(*given).acknowledged
        made: System = own("system").System(
            own("base.config").Config(settings),
            checkout_database=_lent(database(lambda: ""), parts["checkout_database"], "_connect"),
            application_database=_lent(database(lambda: ""), parts["application_database"], "_connect"),
            stripe_api=_lent(stripe(lambda: "sk_test_world"), parts["stripe_api"], "_connected"),
            kafka_publisher=kafka,
        )
        return made


def _lent(theirs: Any, ours: Any, *names: str) -> Any:
    """Their adapter, which reaches the world as ours does."""
    for name in names:
        assert callable(getattr(theirs, name))
        setattr(theirs, name, getattr(ours, name))
    return theirs


class Migrating(Environment):
    """What the deployment runs first."""

    def at_statement(self, database: str) -> str | None:
        self._require_alive()
        last = self._last()
        return last or (super().at_statement(database) if self._world.tape.chance(FAULTS_LEFT) else None)


BEFORE, BOTH, NEW = "the release before", "both releases", "the new release"
KINDS: dict[str, Sequence[type[Environment]]] = {
    BEFORE: (EnvironmentBefore,),
    BOTH: (EnvironmentBefore, Environment),
    NEW: (Environment,),
}


class Deployment(Processes):
    """The environments of a world, as far as this release is deployed in it."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._kinds = KINDS[BEFORE]
        self._is_migrated = False
        world.has_release_before = True
        self._applied: list[int] = []
        """So many migrations each database has."""
        self._note_schemas()
        # The ids of requests to approve would be the other release's own.
        terms = replace(world.swarm.terms, four_eyes_cents=None)
        weights = {**world.swarm.weights, "deploy": WEIGHT}
        # The release before keeps its large pages, so nothing stands for a large table.
        world.swarm = replace(world.swarm, weights=weights, terms=terms, page=None)
        world.checkout.most_rows = None

    def run(self, act: Callable[[System], Any]) -> Any:
        def answered(system: System) -> Any:
            try:
                return act(system)
            except Exception as error:
                raise as_ours(error) or error from error

        return super().run(answered)

    def deploy(self) -> None:
        """Go on with it, or take it back."""
        if not self._is_migrated:
            self._migrate_at_last() if self._world.tape.chance(0.5) else self._migrate()
        else:
            self._serve(self._world.tape.pick((BEFORE, BOTH, BOTH, NEW, NEW)))

    def complete(self) -> None:
        """Who has taken it back stays with the release before, and who is in the middle with both."""
        self._finish_migration()
        self._serve(self._world.tape.pick((BEFORE, BOTH, NEW, NEW)))

    def replace(self) -> None:
        super().replace()
        if self._is_migrated:
            # What was restored can be older than the migration.
            self._finish_migration()
        self._note_schemas()

    def _serve(self, who: str) -> None:
        self._kinds = KINDS[who]
        self._warm = [one for one in self._warm if one.is_running or type(one) in self._kinds]
        self._world.say(f"events go to {who}")

    def _free(self, kind: type[Environment] = Environment) -> Environment:
        del kind
        return super()._free(self._kinds[0] if len(self._kinds) == 1 else self._world.tape.pick(self._kinds))

    def _migrate_at_last(self) -> None:
        """The process dies about where the first new migration of a database is applied, and comes a little
        further each time."""
        checkout, application = self._applied
        of_checkout = len([*MIGRATIONS.glob("checkout/*.sql")])
        migrations = self._world.tape.pick((checkout, of_checkout + application))
        calls = self._world.tape.pick(STATEMENTS) * migrations + self._world.tape.number(*BEFORE_THE_FIRST)
        deaths.repeat(self._world, self._migrate, lambda: self._is_migrated, calls=calls, most=DEATHS)

    def _finish_migration(self) -> None:
        was_calm, self._world.is_calm = self._world.is_calm, True
        self._migrate()
        self._world.is_calm = was_calm
        if not self._is_migrated:
            raise Broken("a migration comes to its end", self._world.log[-1])

    def _migrate(self) -> None:
        """In a process of this release, as the deployment does."""
        environment = Migrating(self._world)
        found = self.run_in(environment, lambda system: system.migrate())
        self._is_migrated = not isinstance(found, BaseException)
        self._note_schemas()
        self._world.say(f"migrate → {found!r}")
        self._world.ran()

    def _note_schemas(self) -> None:
        self._applied.clear()
        for database in (self._world.checkout, self._world.application):
            [row] = database.rows("SELECT count(*) AS applied FROM schema_migrations")
            self._applied.append(row["applied"])
            database.plans.use_those_of(row["applied"])
