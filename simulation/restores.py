"""Backups and restores of the databases, at any time, and so that what has just happened is lost."""

from collections.abc import Callable
from typing import Any

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
    """With what happens in them."""

    def happen(_: World) -> None:
        for _act in range(world.tape.number(2, 6)):
            world.act()

    if are_possible(world):
        world.clock.pass_(world.tape.pick(AWAY_SECONDS))
        lose(world, happen)


def lose(world: World, happen: Callable[[World], object]) -> None:
    """Both databases are restored to the moment before what happens now."""
    both = (world.checkout, world.application)
    for database in both:
        database.back_up()
    kept = [(database, database.backups[-1]) for database in both]
    happen(world)
    for database, backup in kept:
        if backup in database.backups:
            world.restored(database, database.backups.index(backup))


def are_possible(world: World) -> bool:
    return "restore" in world.swarm.weights and not world.works_at_once and world.depth == 0


def _some(world: World) -> list[Any]:
    both = [world.checkout, world.application]
    return both if world.tape.chance(0.4) else [world.tape.pick(both)]
