"""A number that is given out again. A restore takes away who signed up since, and the application gives that
number to somebody else, who must not get what the former person has paid."""

from simulation import elsewhere, operators, people, reconciling, restores, traffic
from simulation.wanted import Request
from simulation.world import USERS, World

NUMBER = max(USERS) + 1
LATER_SECONDS = 60
"""Who signs up in the very moment to which a database is restored may have been there before."""


def give_number_again(world: World) -> None:
    """Nothing of the code may run afterwards before the drill."""
    paid: set[str] = set()

    def happen() -> None:
        world.clock.pass_(LATER_SECONDS)
        people.enter_user(world, NUMBER)
        for _ in range(world.tape.number(1, 2)):
            paid.add(_pay(world))
        traffic.deliver_all(world)
        traffic.relay(world)
        traffic.consume(world, all_=True)
        if world.tape.chance(0.4):
            # It sees what is entered.
            world.clock.pass_(960)
            reconciling.reconcile(world)

    restores.lose(world, [world.application], happen)
    world.former |= paid
    people.enter_user(world, NUMBER)
    if world.tape.chance(0.5):
        # This is credited, whenever its webhook comes.
        _pay(world)
    world.say(f"the number {NUMBER} is somebody else's now")


def _pay(world: World) -> str:
    """Returns the payment intent."""
    request = Request(str(world.tape.uuid()), NUMBER, world.tape.pick(people.AMOUNTS))
    elsewhere.pay_session_of(world, request, request.amount, user_id=NUMBER)
    charge = world.account.all("charge")[-1]
    if charge["status"] == "pending":
        world.account.end_debit(charge["id"], settles=True)
    intent: str = charge["payment_intent"]
    return intent


def decide(world: World) -> None:
    """An operator discards what is parked of a former person, and refunds it in another way."""
    if not world.former:
        return
    parked = world.application.rows(
        "SELECT id, payment_intent_id FROM parked_events"
        " WHERE resolution IS NULL AND payment_intent_id = ANY(%s) ORDER BY id",
        [sorted(world.former)],
    )
    for one in parked:
        operators.discard_one(world, "parked", one)
