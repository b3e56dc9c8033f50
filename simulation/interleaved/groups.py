"""Who works at once: mostly at the same thing."""

import json
from collections.abc import Callable, Sequence

import psycopg2

from checkout.base.errors import CheckoutError
from checkout.outbox.record import Record, first_of_each_partition
from simulation import operators, people, traffic
from simulation.interleaved.turns import Actor
from simulation.interleaved.world import InterleavedWorld
from simulation.kafka import FINISHED, PARTITIONS
from simulation.processes import Died
from simulation.world import Move, Request

RELAY, WEBHOOK, CONSUMER, RECONCILER = "relay", "webhook", "consumer", "reconciler"
OPERATOR, APPLICATION, USER, REQUESTS = "operator", "application", "user", "requests"

Actors = list[Actor]

HAPPENING = (
    people.pay,
    people.end_debit,
    people.refund,
    people.move_refund,
    people.dispute,
    people.move_dispute,
)


def webhooks(world: InterleavedWorld) -> Actors:
    """Of one payment, or the same event twice; mostly of what has just happened."""
    seen = len(world.account.events)
    for _ in range(world.tape.number(0, 2)):
        world.tape.pick(HAPPENING)(world)
    due = world.webhooks.due()
    if not due:
        return []
    new = [one for one in due if one.event in world.account.events[seen:]]
    first = world.tape.pick(new or due)
    intent = _intent_of(first.event)
    related = [one for one in due if _intent_of(one.event) == intent]
    among = related if world.tape.chance(0.7) else due
    chosen = [first, *(world.tape.pick(among) for _ in range(world.tape.number(1, 2)))]
    return [Actor(WEBHOOK, lambda one=one: traffic.deliver_one(world, one)) for one in chosen]  # type: ignore[misc]


def consumers(world: InterleavedWorld) -> Actors:
    """Of one batch, as while partitions change hands, or of parts of it."""
    topic = world.topics[FINISHED]
    if world.tape.chance(0.3):
        traffic.reset_offsets(world)
    whole = topic.batch(range(PARTITIONS), world.tape.pick((2, 10, 1000)))
    batches = [whole]
    if world.tape.chance(0.7):
        batches.append(whole if world.tape.chance(0.5) else topic.batch(range(PARTITIONS), 1))
    return [consumer(world, batch) for batch in batches if batch]


def consumer(world: InterleavedWorld, batch: Sequence[Record]) -> Actor:
    def act() -> None:
        world.counts["deliveries"] += len(batch)
        deadline = world.clock.epoch + 30
        tally = world.run(f"consume {len(batch)}", lambda system: system.credit_balances(batch, deadline))
        if not isinstance(tally, BaseException):
            again = [(one.partition, one.offset) for one in first_of_each_partition(tally.again)]
            world.topics[FINISHED].store(batch, again)

    return Actor(CONSUMER, act, about=batch)


def relays(world: InterleavedWorld) -> Actors:
    world.clock.pass_(6)
    return [relay(world), relay(world)]


def relay(world: InterleavedWorld) -> Actor:
    def act() -> object:
        deadline = world.clock.epoch + 30
        return world.run("relay", lambda system: system.delivery.relay(deadline))

    return Actor(RELAY, act)


def reconciler(world: InterleavedWorld) -> Actors:
    return [Actor(RECONCILER, lambda: traffic.reconcile(world))]


def operator(world: InterleavedWorld) -> Actors:
    if world.tape.chance(0.3) and world.signed_up:
        user_id = world.tape.pick(world.signed_up)
        words = ("rebuild-balance", "--user", str(user_id), "--reason", "doubt")
        return [Actor(OPERATOR, lambda: operators.run(world, *words))]
    act = operators.discard if world.tape.chance(0.4) else operators.operate
    return [Actor(OPERATOR, lambda: act(world))]


def decisions(world: InterleavedWorld) -> Actors:
    """Two operators discard the same record."""
    found = world.application.rows(
        "SELECT id::text, payment_intent_id FROM parked_events WHERE resolution IS NULL ORDER BY id"
    )
    if not found:
        return operator(world)
    chosen = world.tape.pick(found)
    world.decided.add(chosen["payment_intent_id"])
    done: list[str] = []

    def discard(reason: str) -> None:
        outcome = operators.run(world, "parked", "discard", chosen["id"], "--reason", reason)
        if isinstance(outcome, CheckoutError | Died):
            return
        done.append(reason)
        operators.note_discarded(world, outcome)
        if len(done) > 1:
            world.breaks("a record is decided by one operator", chosen["id"])

    return [Actor(OPERATOR, lambda: discard("first")), Actor(OPERATOR, lambda: discard("second"))]


def askers(world: InterleavedWorld) -> Actors:
    """One request, twice at once."""
    if not world.requests:
        return []
    request: Request = world.tape.pick(world.requests)
    return [Actor(USER, lambda: people.ask_for(world, request)) for _ in range(2)]


def requests(world: InterleavedWorld) -> Actors:
    return [Actor(REQUESTS, lambda: traffic.consume_requests(world))]


def application(world: InterleavedWorld) -> Actors:
    """Moves balances of some users in a transaction of its own, which lasts."""
    users = sorted({world.tape.pick(world.signed_up) for _ in range(2)}) if world.signed_up else []
    return [Actor(APPLICATION, lambda: _move(world, users))] if users else []


def spenders(world: InterleavedWorld) -> Actors:
    """Two orders of a user, each paid in its own transaction."""
    if not world.signed_up:
        return []
    users = [world.tape.pick(world.signed_up)]
    return [Actor(APPLICATION, lambda: _move(world, users)) for _ in range(2)]


def _move(world: InterleavedWorld, users: Sequence[int]) -> None:
    moves = [
        Move(f"spent:{world.tape.digits(32):08x}", user_id, world.tape.pick((-300, -500, 20)))
        for user_id in users
    ]
    connection = world.as_somebody(world.application)
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; SELECT 1")
            for move in moves:
                cursor.execute("INSERT INTO orders (user_id) VALUES (%s)", (move.user_id,))
                given = (move.key, move.user_id, move.amount)
                cursor.execute("SELECT ledger_move(%s, %s, %s, 'eur', 'spent')", given)
            cursor.execute("COMMIT")
    except psycopg2.Error as error:
        world.say(f"the application cannot move: {type(error).__name__}")
    else:
        world.moves += moves
        world.say(f"the application moves {[(one.user_id, one.amount) for one in moves]}")
    finally:
        connection.close()


def mixture(world: InterleavedWorld) -> Actors:
    """Of each kind one, at most."""
    chosen = world.tape.shuffled(
        [webhooks, consumers, relays, reconciler, operator, askers, requests, application]
    )
    found: Actors = []
    for make in chosen[:3]:
        found += make(world)[:1]
    return found


def beside(world: InterleavedWorld) -> Actors:
    """A reconciler, and somebody else."""
    other = world.tape.pick([webhooks, relays, operator, reconciler, consumers, askers])
    return [*reconciler(world), *other(world)[:1]]


def decider(world: InterleavedWorld) -> Actors:
    """An operator, and somebody else."""
    other = world.tape.pick([webhooks, webhooks, consumers, consumers, reconciler])
    return [*operator(world), *other(world)[:1]]


GROUPS: dict[Callable[[InterleavedWorld], Actors], float] = {
    webhooks: 6.0,
    consumers: 4.0,
    relays: 1.0,
    decisions: 1.0,
    decider: 3.0,
    beside: 2.0,
    askers: 1.0,
    spenders: 1.0,
    mixture: 4.0,
}


def some(world: InterleavedWorld) -> Actors:
    return world.tape.pick([make for make, weight in GROUPS.items() for _ in range(int(weight))])(world)


def users_of(batch: Sequence[Record]) -> dict[str, int]:
    """By effect key the users of the payments in a batch."""
    found = {}
    for record in batch:
        try:
            event = json.loads(record.value)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("status") == "success":
            found[f"success:{event['request_id']}"] = event["user_id"]
    return found


def _intent_of(event: object) -> object:
    one = event["data"]["object"]  # type: ignore[index]
    return one.get("payment_intent")
