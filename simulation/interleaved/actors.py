"""Who works: one process, operator or application each."""

import json
from collections.abc import Sequence

import psycopg2

from checkout.base.errors import CheckoutError
from checkout.outbox.record import Record, first_of_each_partition
from simulation import openings, operators, reconciling, traffic
from simulation.interleaved.turns import SOMEBODY, Actor
from simulation.interleaved.world import InterleavedWorld, hold_row
from simulation.kafka import FINISHED
from simulation.processes import Died
from simulation.stripe_model.webhooks import Delivery
from simulation.wanted import Move

RELAY, WEBHOOK, CONSUMER, RECONCILER = "relay", "webhook", "consumer", "reconciler"
OPERATOR, APPLICATION, USER, REQUESTS = "operator", "application", "user", "requests"

CLAIM_TURNS = 100
"""So many somebody waits for a claim."""

Actors = list[Actor]


def webhook(world: InterleavedWorld, delivery: Delivery) -> Actor:
    def act() -> None:
        answer, event_id = traffic.deliver_one(world, delivery), delivery.event["id"]
        if isinstance(answer, str) and answer != "duplicate":
            if event_id in world.settled:
                world.breaks("an event is settled once", event_id)
            world.settled.add(event_id)

    return Actor(WEBHOOK, act)


def consumer(world: InterleavedWorld, batch: Sequence[Record]) -> Actor:
    def act() -> None:
        world.counts["deliveries"] += len(batch)
        deadline = world.clock.epoch + 30
        tally = world.run(f"consume {len(batch)}", lambda system: system.credit_balances(batch, deadline))
        if not isinstance(tally, BaseException):
            again = [(one.partition, one.offset) for one in first_of_each_partition(tally.again)]
            world.topics[FINISHED].store(batch, again)

    return Actor(CONSUMER, act, about=batch)


def relay(world: InterleavedWorld) -> Actor:
    def act() -> object:
        # What is committed meanwhile is old enough then.
        for _ in range(world.tape.pick((0, 0, 4, 12))):
            world.turns.pause()
        world.clock.pass_(6)
        deadline = world.clock.epoch + 30
        return world.run("relay", lambda system: system.delivery.relay(deadline))

    return Actor(RELAY, act)


def reconciler(world: InterleavedWorld) -> Actors:
    return [Actor(RECONCILER, lambda: reconciling.reconcile(world))]


def operator(world: InterleavedWorld) -> Actors:
    if world.tape.chance(0.3) and world.signed_up:
        user_id = world.tape.pick(world.signed_up)
        words = openings.doubting(world, user_id, "doubt")
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

    return [
        Actor(OPERATOR, lambda: discard("first")),
        Actor(OPERATOR, lambda: discard("second")),
    ]


def requests(world: InterleavedWorld) -> Actors:
    return [Actor(REQUESTS, lambda: traffic.consume_requests(world))]


def application(world: InterleavedWorld) -> Actors:
    """Moves balances of some users in a transaction of its own, which lasts."""
    users = sorted({world.tape.pick(world.signed_up) for _ in range(2)}) if world.signed_up else []
    return [Actor(APPLICATION, lambda: move(world, users))] if users else []


def move(world: InterleavedWorld, users: Sequence[int], amounts: Sequence[int] = (-300, -500, 20)) -> None:
    """One of these for each of the users."""
    moves = [
        Move(f"spent:{world.tape.digits(32):08x}", user_id, world.tape.pick(amounts)) for user_id in users
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


def holder(world: InterleavedWorld, session_id: str) -> Actor:
    """Somebody holds the row of a session's payment, from when the reconciler has claimed it."""
    row = f"checkout_transactions WHERE stripe_session_id = '{session_id}'"
    claimed = f"SELECT id FROM {row} AND reread_at > to_timestamp(%s)"

    def hold() -> None:
        for _ in range(CLAIM_TURNS):
            if world.checkout.rows(claimed, [world.clock.epoch]):
                break
            world.turns.pause()
        hold_row(world, world.checkout, row, "request_id")

    return Actor(SOMEBODY, hold)


def users_of(world: InterleavedWorld, batch: Sequence[Record]) -> dict[str, int]:
    """By effect key the users of the payments in a batch."""
    found = {}
    for record in batch:
        if record.value in world.poison:
            continue
        try:
            event = json.loads(record.value)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("status") == "success":
            found[f"success:{event['request_id']}"] = event["user_id"]
    return found


def intent_of(event: object) -> object:
    one = event["data"]["object"]  # type: ignore[index]
    return one.get("payment_intent")
