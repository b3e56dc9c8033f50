"""Balances from before the ledger: users of an application that adopted this had them, and an operator opens
them, each by an entry of what there was."""

from collections.abc import Iterator, Sequence

from simulation import people
from simulation.world import World

OPENING = "opening"
CENTS = (0, 200, 1000)

Words = Sequence[str]


def enter_first(world: World, user_id: int) -> None:
    """A user who is there before anything happens."""
    cents = world.tape.pick(CENTS) if world.swarm.has_older else 0
    if cents:
        world.older[user_id] = cents
        given = [user_id, cents]
        world.application.as_application("INSERT INTO users (id, balance) VALUES (%s, %s)", given)
        world.say(f"user {user_id} has {cents} from before the ledger")
    people.enter_user(world, user_id)


def doubting(world: World, user_id: int, reason: str) -> Words:
    """What an operator does about a balance that may be wrong. It is rebuilt, unless there is something from
    before the ledger in it."""
    if user_id in _unopened(world):
        return _opening(user_id)
    return "rebuild-balance", "--user", str(user_id), "--reason", reason


def to_do(world: World) -> Iterator[Words]:
    """Until all are opened: those of users without entries at once, and of others one by one."""
    if _unopened(world):
        yield ("opening-balances",)
    yield from map(_opening, _unopened(world))


def _opening(user_id: int) -> Words:
    return "opening-balances", "--user", str(user_id)


def _unopened(world: World) -> list[int]:
    if not world.older:
        return []
    found = world.application.rows("SELECT user_id FROM ledger_entries WHERE kind = %s", [OPENING])
    return sorted(world.older.keys() - {row["user_id"] for row in found})
