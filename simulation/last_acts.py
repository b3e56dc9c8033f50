"""What still happens when faults end. Only a quiet end shows all that follows from it."""

from collections.abc import Sequence

from simulation import (
    drill,
    elsewhere,
    judging,
    leftovers,
    operators,
    people,
    persons,
    reconciling,
    restores,
    traffic,
)
from simulation.restores import AWAY_SECONDS
from simulation.server import CLOSED, CLOSED_USER
from simulation.stripe_model.account import Resource
from simulation.wanted import Request
from simulation.world import USERS, World

AT_STRIPE = (people.refund, people.move_refund, people.dispute, people.move_dispute, people.end_debit)
REEMITTED_SECONDS = 960
"""After so long what was not entered is emitted again."""


def act(world: World) -> None:
    leftovers.require_nothing_taken_of_parked(world)
    if world.tape.chance(0.35):
        if world.tape.chance(0.5):
            _sign_up_late(world)
        operators.discard(world)
    if world.tape.chance(0.2):
        _lose_webhooks(world)
    if not world.works_at_once and world.tape.chance(0.12):
        judging.accept_and_go_on(world)
    if restores.are_possible(world) and world.tape.chance(0.3):
        _lose_what_came_late(world)
    if restores.are_possible(world) and world.tape.chance(0.15):
        _exchange_request_ids(world)
    # The release before lets them have it.
    if restores.are_possible(world) and not world.has_release_before and world.tape.chance(0.2):
        persons.give_number_again(world)


def _sign_up_late(world: World) -> None:
    """Somebody pays before he is a user, and what was parked for that is entered when it comes again. The
    parked records stay for an operator."""
    there = {row["id"] for row in world.application.rows("SELECT id FROM users")}
    absent = [user_id for user_id in USERS if user_id not in there]
    for user_id in absent:
        _pay(world, user_id)
    _arrive(world)
    for user_id in absent:
        people.enter_user(world, user_id)
    if absent:
        traffic.read_from_the_beginning(world)


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

    restores.lose(world, restores.both(world), lambda: _arrive(world))


def _exchange_request_ids(world: World) -> None:
    """Two payments of one request are parked. A restore takes them out of our tables, and they come back
    under each other's request_id; Kafka loses that. The application's database may lose what an operator has
    decided about one of them, and that it was parked."""
    rule, world.application.rule = world.application.rule, CLOSED
    known = len(world.account.events)
    decides = world.tape.chance(0.5)

    def pay_twice() -> None:
        _pay(world, CLOSED_USER, times=2)
        _arrive(world)

    def lose_rows() -> None:
        restores.lose(world, [world.checkout], pay_twice)
        if decides:
            _discard_one(world, world.account.events[known:])

    restores.lose(world, [world.application] if decides else [], lose_rows)
    if decides:
        operators.run(world, "restored")
        drill.forget_what_was_done(world)
    for delivery in reversed(world.webhooks.deliveries):
        if delivery.event in world.account.events[known:]:
            traffic.deliver_one(world, delivery)
    traffic.lose_unread(world)
    for _ in range(2):
        world.clock.pass_(REEMITTED_SECONDS)
        reconciling.reconcile(world)
    drill.forget_emitted_reversals(world)
    world.application.rule = rule


def _pay(world: World, user_id: int, *, times: int = 1) -> None:
    """In sessions that were not begun here, of one request."""
    request = Request(str(world.tape.uuid()), user_id, world.tape.pick(people.AMOUNTS))
    for _ in range(times):
        elsewhere.pay_session_of(world, request, request.amount, user_id=request.user_id)


def _arrive(world: World) -> None:
    traffic.deliver_all(world)
    traffic.consume(world, all_=True)


def _discard_one(world: World, events: Sequence[Resource]) -> None:
    intents = [event["data"]["object"].get("payment_intent") for event in events]
    parked = world.application.rows(
        "SELECT id, payment_intent_id FROM parked_events"
        " WHERE resolution IS NULL AND payment_intent_id = ANY(%s) ORDER BY id",
        [[one for one in intents if one is not None]],
    )
    if parked:
        operators.discard_one(world, "parked", world.tape.pick(parked))
