"""Back up the databases, and restore them: at any time, or to the moment before something happens."""

from collections.abc import Callable, Sequence

from simulation.databases import WorldDatabase
from simulation.world import World

AWAY_SECONDS = (0, 7200, 26 * 3600)
"""For how long nothing comes or goes."""


def back_up(world: World) -> None:
    """Of both databases, or of one."""
    for database in _some(world):
        database.back_up()
        world.say(f"{database.name} is backed up")


def restore(world: World) -> None:
    for database in _some(world):
        if database.backups:
            world.restored(database, world.tape.number(0, len(database.backups) - 1))


def lose_hours(world: World) -> None:
    """Both databases lose some acts."""

    def happen() -> None:
        for _ in range(world.tape.number(2, 6)):
            world.act()

    if are_possible(world):
        world.clock.pass_(world.tape.pick(AWAY_SECONDS))
        lose(world, both(world), happen)


def lose(world: World, databases: Sequence[WorldDatabase], happen: Callable[[], object]) -> None:
    """These are restored to the moment before what happens now."""
    for database in databases:
        database.back_up()
    kept = [(database, database.backups[-1]) for database in databases]
    happen()
    for database, backup in kept:
        if backup in database.backups:
            world.restored(database, database.backups.index(backup))


def are_possible(world: World) -> bool:
    return "restore" in world.swarm.weights and not world.works_at_once and world.depth == 0


def both(world: World) -> Sequence[WorldDatabase]:
    return world.checkout, world.application


def _some(world: World) -> Sequence[WorldDatabase]:
    return both(world) if world.tape.chance(0.4) else [world.tape.pick(both(world))]
