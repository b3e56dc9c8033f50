"""What still happens when faults end. Only a quiet end shows all that follows from it."""

from simulation import leftovers, operators, people, reconciling, restores, traffic
from simulation.restores import AWAY_SECONDS
from simulation.world import World

AT_STRIPE = (people.refund, people.move_refund, people.dispute, people.move_dispute, people.end_debit)


def act(world: World) -> None:
    leftovers.require_nothing_taken_of_parked(world)
    if world.tape.chance(0.35):
        operators.discard(world)
    if world.tape.chance(0.2):
        _lose_webhooks(world)
    if restores.are_possible(world) and world.tape.chance(0.3):
        _lose_what_came_late(world)


def _lose_webhooks(world: World) -> None:
    """The endpoint is away, and so is the reconciler after a run: what happens is in Stripe's list alone."""
    _happen(world)
    world.clock.pass_(60)
    reconciling.reconcile(world)
    _happen(world)
    for delivery in world.webhooks.due():
        delivery.is_answered = True
    seconds = world.tape.pick(AWAY_SECONDS)
    world.clock.pass_(seconds)
    world.say(f"no webhook comes any more, and {seconds} s pass")


def _happen(world: World) -> None:
    for _ in range(world.tape.number(1, 4)):
        world.tape.pick(AT_STRIPE)(world)


def _lose_what_came_late(world: World) -> None:
    """Both databases are restored to a moment before late webhooks, which do not come again."""
    _happen(world)
    world.clock.pass_(world.tape.pick(AWAY_SECONDS))

    def come_late() -> None:
        traffic.deliver_all(world)
        traffic.consume(world, all_=True)

    restores.lose(world, restores.both(world), come_late)
