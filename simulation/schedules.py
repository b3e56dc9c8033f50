"""What the schedules and triggers do in some time."""

from simulation import loudness, operators, reconciling, refusing, traffic
from simulation.world import World


def period(world: World, seconds: float) -> None:
    """What the schedules and triggers do in so many seconds, and an operator with what is parked."""
    world.clock.pass_(seconds)
    traffic.deliver_all(world)
    reconciling.reconcile(world)
    traffic.answer_all_requests(world)
    traffic.relay(world)
    traffic.consume(world, all_=True)
    is_parked, is_held = loudness.left_to_operators(world)
    if is_parked:
        operators.run(world, "parked", "replay", "--all")
    if is_held:
        operators.run(world, "held", "replay", "--all")


def pass_a_month(world: World) -> None:
    """In which nothing fails. After it Stripe does not list any more what was before."""
    if world.depth or world.restored_to is not None:
        return
    world.is_calm = True
    world.stripe.lag.end()
    refusing.end(world)
    for _ in range(2):
        period(world, 960)
    for database in (world.checkout, world.application):
        # A restore from them could not be mended from Stripe's lists.
        database.backups.clear()
    if world.tape.chance(0.5):
        # It stops in the middle of Stripe's lists, and is away.
        reconciling.reconcile(world, seconds=0)
    world.clock.pass_(31 * 24 * 3600)
    period(world, 960)
    world.is_calm = False
    world.say("a month has passed")
