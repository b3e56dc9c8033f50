"""The same work is begun anew after each death, and each time the process comes a little further."""

from collections.abc import Callable
from functools import partial

from simulation import misleading, reconciling, refunds, traffic
from simulation.world import World

MOST_DEATHS = 12
"""In a row."""


def die_again_and_again(world: World) -> None:
    repeat(world, _work(world), lambda: world.calls_left is not None, calls=0, most=MOST_DEATHS)


def repeat(
    world: World, work: Callable[[], object], is_done: Callable[[], bool], *, calls: int, most: int
) -> None:
    """The process dies after so many calls, and a call or two later each time; `most` times."""
    for _ in range(most):
        world.dies_after(calls)
        work()
        if is_done():
            break
        calls += world.tape.number(1, 2)
    world.dies_after(None)


def _work(world: World) -> Callable[[], object]:
    if world.tape.chance(0.12):
        return _work_for_a_person(world)
    due = world.webhooks.due()
    works: list[Callable[[], object]] = [
        *(partial(traffic.deliver_one, world, delivery) for delivery in world.tape.shuffled(due)[:2]),
        partial(traffic.consume, world, all_=True),
        partial(traffic.consume_requests, world, all_=True),
        partial(traffic.relay, world),
        partial(reconciling.reconcile, world),
    ]
    if world.refunds:
        key = world.tape.pick(sorted(world.refunds))
        works += [partial(refunds.ask, world, refunds.Asked(key, world.refunds[key]))] * 2
    return world.tape.pick(works)


def _work_for_a_person(world: World) -> Callable[[], object]:
    """Whoever parks or holds something has to call one before it dies."""
    if world.tape.chance(0.7):
        traffic.poison(world)
        return partial(traffic.consume, world, all_=True)
    world.webhooks.due()
    misleading.complete(world, world.tape.pick([*misleading.SESSIONS]))
    return partial(traffic.deliver_one, world, world.webhooks.due()[-1])
