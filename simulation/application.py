"""What the application does with balances: it spends, gives, and has rules of its own."""

import psycopg2

from simulation.broken import Broken
from simulation.server import NO_RULE
from simulation.wanted import Move
from simulation.world import World


def move_balance(world: World) -> None:
    """The application spends, or gives."""
    if not world.signed_up:
        return
    if world.moves and world.tape.chance(0.25):
        _move_again(world, world.tape.pick(world.moves))
    user_id, key = world.tape.pick(world.signed_up), f"spent:{world.tape.digits(32):08x}"
    amount = world.tape.pick((-300, -50, 20))
    try:
        world.application.as_application(
            "SELECT ledger_move(%s, %s, %s, 'eur', 'spent')", [key, user_id, amount]
        )
    except psycopg2.Error:
        return  # Too small a balance, or the user is gone.
    world.moves.append(Move(key, user_id, amount))
    world.say(f"user {user_id} moves {amount}")


def _move_again(world: World, move: Move) -> None:
    """What is known is not moved again, and nothing else is moved under its key, or as a payment."""
    if world.restores:
        return
    again = _moved(world, move.key, move.user_id, move.amount, "spent")
    if again is not False:
        raise Broken("a movement that is known is not made again", f"{move}: {again}")
    key = f"gift:{world.tape.digits(32):08x}"
    for wrong in (
        (move.key, move.user_id, move.amount + 1, "spent"),
        (key, move.user_id, 20, "success"),
        (f"success:{key}", move.user_id, 20, "gift"),
    ):
        if _moved(world, *wrong) is not None:
            raise Broken("the application enters only its own movements", f"{wrong}")


def _moved(world: World, key: str, user_id: int, amount: int, kind: str) -> bool | None:
    """None if it is refused."""
    given = [key, user_id, amount, kind]
    try:
        [row] = world.application.as_application("SELECT ledger_move(%s, %s, %s, 'eur', %s) AS moved", given)
    except psycopg2.Error:
        return None
    return bool(row["moved"])


def change_rule(world: World) -> None:
    """The application is deployed anew, with its rule about balances or without."""
    application = world.application
    application.rule = NO_RULE if application.rule != NO_RULE else world.swarm.rule
    world.say(f"the application's rule: {application.rule}")


def repeat_moves(world: World) -> None:
    """Enter again what a restore may have taken away: its keys make that safe."""
    for move in world.moves:
        world.application.as_application(
            "SELECT ledger_move(%s, %s, %s, 'eur', 'spent', true)", [move.key, move.user_id, move.amount]
        )
