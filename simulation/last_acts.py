"""What still happens when faults end. Only a quiet end shows all that follows from it."""

from simulation import leftovers, operators
from simulation.world import World

AWAY_SECONDS = (0, 7200, 26 * 3600)


def act(world: World) -> None:
    leftovers.require_nothing_taken_of_parked(world)
    if world.tape.chance(0.35):
        operators.discard(world)
    if world.tape.chance(0.25):
        _lose_webhooks(world)


def _lose_webhooks(world: World) -> None:
    """The endpoint was away, and so was the reconciler: what was not delivered is in Stripe's list alone."""
    for delivery in world.webhooks.due():
        delivery.is_answered = True
    seconds = world.tape.pick(AWAY_SECONDS)
    world.clock.pass_(seconds)
    world.say(f"no webhook comes any more, and {seconds} s pass")
