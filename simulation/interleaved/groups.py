"""Who works at once: mostly at the same thing."""

from collections.abc import Callable, Sequence
from functools import partial

from simulation import asking, operators, people, refunds, traffic
from simulation.interleaved import actors, crossings
from simulation.interleaved.turns import Actor
from simulation.interleaved.world import InterleavedWorld
from simulation.kafka import FINISHED, PARTITIONS
from simulation.wanted import Request

HAPPENING = (
    people.pay,
    people.end_debit,
    people.refund,
    people.move_refund,
    people.dispute,
    people.move_dispute,
)


def webhooks(world: InterleavedWorld) -> actors.Actors:
    """Of one payment, or the same event twice; mostly of what has just happened."""
    seen = len(world.account.events)
    for _ in range(world.tape.number(0, 2)):
        world.tape.pick(HAPPENING)(world)
    due = world.webhooks.due()
    if not due:
        return []
    new = [one for one in due if one.event in world.account.events[seen:]]
    first = world.tape.pick(new or due)
    intent = actors.intent_of(first.event)
    related = [one for one in due if actors.intent_of(one.event) == intent]
    among = related if world.tape.chance(0.7) else due
    chosen = [first, *(world.tape.pick(among) for _ in range(world.tape.number(1, 2)))]
    return [actors.webhook(world, one) for one in chosen]


def consumers(world: InterleavedWorld) -> actors.Actors:
    """Of one batch, as while partitions change hands, or of parts of it."""
    topic = world.topics[FINISHED]
    if world.tape.chance(0.3):
        traffic.reset_offsets(world)
    whole = topic.batch(range(PARTITIONS), world.tape.pick((2, 10, 1000)))
    batches = [whole]
    if world.tape.chance(0.7):
        batches.append(whole if world.tape.chance(0.5) else topic.batch(range(PARTITIONS), 1))
    return [actors.consumer(world, batch) for batch in batches if batch]


def relays(world: InterleavedWorld) -> actors.Actors:
    return [actors.relay(world), actors.relay(world), *webhooks(world)[: world.tape.number(0, 1)]]


def askers(world: InterleavedWorld) -> actors.Actors:
    """One request, twice at once."""
    if not world.requests:
        return []
    request: Request = world.tape.pick(world.requests)
    return [Actor(actors.USER, lambda: asking.ask_for(world, request)) for _ in range(2)]


def refunders(world: InterleavedWorld) -> actors.Actors:
    """Two operators refund one payment, with one key or two."""
    first = refunds.some(world)
    if first is None:
        return []
    second = first if world.tape.chance(0.7) else refunds.another(world, first.ordered)
    both = [Actor(actors.OPERATOR, partial(refunds.ask, world, one)) for one in (first, second)]
    return [*both, *webhooks(world)[: world.tape.number(0, 1)]]


def spenders(world: InterleavedWorld) -> actors.Actors:
    """Two orders of a user, each paid in its own transaction; mostly, only one of them can be."""
    rich = world.application.rows("SELECT id, balance FROM users WHERE balance > 0 ORDER BY id")
    if not rich:
        return []
    user = world.tape.pick(rich)
    most = [-(user["balance"] // 2 + 1)] if world.tape.chance(0.8) else [-300, 20]
    return [Actor(actors.APPLICATION, lambda: actors.move(world, [user["id"]], most)) for _ in range(2)]


def mixture(world: InterleavedWorld) -> actors.Actors:
    """Of each kind one, at most."""
    chosen = world.tape.shuffled(
        [
            webhooks,
            consumers,
            relays,
            actors.reconciler,
            actors.operator,
            askers,
            actors.requests,
            actors.application,
        ]
    )
    found: actors.Actors = []
    for make in chosen[:3]:
        found += make(world)[:1]
    return found


def beside(world: InterleavedWorld) -> actors.Actors:
    """A reconciler, and somebody else."""
    other = world.tape.pick([webhooks, relays, actors.operator, actors.reconciler, consumers, askers])
    return [*actors.reconciler(world), *other(world)[:1]]


def beside_a_relay(world: InterleavedWorld) -> actors.Actors:
    return [*webhooks(world)[:2], actors.relay(world)]


def discarder(world: InterleavedWorld) -> actors.Actors:
    """An operator discards an event while others of its payment are handled, or it is retried."""
    found = world.checkout.rows(
        "SELECT event_id, payment_intent_id FROM stripe_events WHERE outcome IN ('waiting', 'held')"
        " ORDER BY event_id"
    )
    if not found:
        return decider(world)
    chosen = world.tape.pick(found)
    world.decided.add(chosen["payment_intent_id"])
    words = ("held", "discard", chosen["event_id"], "--reason", "no")
    events = [
        one
        for one in world.webhooks.deliveries
        if actors.intent_of(one.event) == chosen["payment_intent_id"]
        and one.event["id"] != chosen["event_id"]
    ]
    others = actors.reconciler(world) if not events or world.tape.chance(0.3) else []
    if not others:
        others = [actors.webhook(world, world.tape.pick(events))]
    return [Actor(actors.OPERATOR, lambda: operators.run(world, *words)), *others]


def decider(world: InterleavedWorld) -> actors.Actors:
    """An operator, and somebody else."""
    other = world.tape.pick([webhooks, webhooks, consumers, consumers, actors.reconciler])
    return [*actors.operator(world), *other(world)[:1]]


GROUPS: dict[Callable[[InterleavedWorld], actors.Actors], float] = {
    webhooks: 6.0,
    consumers: 4.0,
    relays: 1.0,
    actors.decisions: 1.0,
    decider: 3.0,
    beside: 2.0,
    askers: 1.0,
    spenders: 1.0,
    refunders: 2.0,
    mixture: 3.0,
    beside_a_relay: 2.0,
    discarder: 2.0,
    crossings.asked_and_reported: 3.0,
    crossings.rivals: 2.0,
    crossings.late_reconciler: 2.0,
    crossings.reconcilers: 1.0,
    crossings.late_consumer: 2.0,
    crossings.absent: 3.0,
    crossings.forgotten: 1.0,
    crossings.rebuilder: 3.0,
    crossings.paid_and_reversed: 3.0,
    crossings.returned_and_discarded: 2.0,
    crossings.unseen_and_discarded: 1.0,
}


Row = tuple[str, str, str]
"""Database, table with a condition, and key."""

USERS, CHECKOUT = ("application", "users", "id"), "checkout"
UNFINISHED = (
    (
        CHECKOUT,
        "checkout_transactions WHERE status = 'payment_succeeded' AND credited_at IS NULL",
        "request_id",
    ),
    (CHECKOUT, "checkout_transactions WHERE status <> 'payment_succeeded'", "request_id"),
    (CHECKOUT, "reversals WHERE state = 'emitted' AND credited_at IS NULL", "effect_key"),
    (CHECKOUT, "stripe_events WHERE outcome = 'waiting'", "event_id"),
)
ROWS = (
    USERS,
    *UNFINISHED,
    (CHECKOUT, "outbox", "effect_key"),
    (CHECKOUT, "stripe_events", "event_id"),
)
MOSTLY_HELD: dict[Callable[[InterleavedWorld], actors.Actors], Sequence[Row]] = {
    crossings.late_reconciler: UNFINISHED,
    crossings.late_consumer: [USERS],
    crossings.forgotten: (),  # It has its own.
}


MOSTLY_OVERTAKEN: dict[Callable[[InterleavedWorld], actors.Actors], str] = {crossings.absent: actors.OPERATOR}


def some(world: InterleavedWorld) -> tuple[actors.Actors, Sequence[Row], str | None]:
    """And the rows of which somebody may hold one meanwhile, and the kind of who is mostly overtaken."""
    make = world.tape.pick([make for make, weight in GROUPS.items() for _ in range(int(weight))])
    found = make(world)
    rows = MOSTLY_HELD.get(make)
    if rows is None:
        rows = ROWS if world.tape.chance(0.2) else ()
    return found, rows, MOSTLY_OVERTAKEN.get(make)
