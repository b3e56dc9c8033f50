"""What meets on its way: groups for which something happens first, so that it is handled at once."""

from collections.abc import Callable
from functools import partial

from simulation import asking, elsewhere, openings, operators, people, reconciling, traffic
from simulation.interleaved import actors
from simulation.interleaved.turns import Actor
from simulation.interleaved.world import InterleavedWorld
from simulation.kafka import FINISHED, PARTITIONS
from simulation.stripe_model import disputes, oddities
from simulation.stripe_model.account import OPEN, Resource
from simulation.stripe_model.webhooks import Delivery
from simulation.wanted import Request
from simulation.world import USERS

PATIENCE = 30
"""So many turns somebody waits for a session."""
LAG_SECONDS = 600
GIVEN_UP_AFTER = 5
"""So many answers that Stripe does not know the session."""


def paid_and_reversed(world: InterleavedWorld) -> actors.Actors:
    """A payment, and what takes it back."""
    charge = _paid(world, by_debit=False)
    if charge is None:
        return []
    if world.tape.chance(0.5):
        world.account.refund(charge["id"], charge["amount"], "succeeded")
    else:
        disputes.begin(world.account, charge["id"])
        [dispute] = world.account.all("dispute", charge=charge["id"])
        disputes.move(world.account, dispute["id"], withdrawn=True)
    world.say(f"{charge['payment_intent']} is taken back at once")
    deliveries = _of(world, charge["payment_intent"])
    paid, last = deliveries[0], deliveries[-1]
    return [actors.webhook(world, paid), actors.webhook(world, last)]


def returned_and_discarded(world: InterleavedWorld) -> actors.Actors:
    """What a dispute returns comes, or is read at Stripe, while an operator discards what it took, before its
    payment has come."""
    charge = _paid(world, by_debit=True)
    if charge is None:
        return []
    intent = charge["payment_intent"]
    disputes.begin(world.account, charge["id"])
    [dispute] = world.account.all("dispute", charge=charge["id"])
    disputes.move(world.account, dispute["id"], withdrawn=True)
    taken = _of(world, intent)[-1]
    traffic.deliver_one(world, taken)
    disputes.move(world.account, dispute["id"], withdrawn=False)
    returned = _of(world, intent)[-1]
    world.account.end_debit(charge["id"], settles=True)
    world.say(f"{intent} is disputed before it has settled")
    world.decided.add(intent)
    words = ("held", "discard", taken.event["id"], "--reason", "no")
    discards = Actor(actors.OPERATOR, lambda: operators.run(world, *words))
    rereads = Actor(actors.OPERATOR, lambda: operators.run(world, "reread", dispute["id"]))
    return [discards, rereads if world.tape.chance(0.4) else actors.webhook(world, returned)]


def unseen_and_discarded(world: InterleavedWorld) -> actors.Actors:
    """A refund that Stripe's reads do not show yet is discarded while its event is tried again."""
    charge = _paid(world, by_debit=False)
    if charge is None:
        return []
    intent = charge["payment_intent"]
    traffic.deliver_one(world, _of(world, intent)[0])
    world.stripe.lag.begin(LAG_SECONDS)
    world.account.refund(charge["id"], charge["amount"], "succeeded")
    refunded = _of(world, intent)[-1]
    traffic.deliver_one(world, refunded)
    world.say(f"{intent} is refunded, which reads do not show yet")
    world.decided.add(intent)
    words = ("held", "discard", refunded.event["id"], "--reason", "no")
    return [Actor(actors.OPERATOR, lambda: operators.run(world, *words)), *actors.reconciler(world)]


def asked_and_reported(world: InterleavedWorld) -> actors.Actors:
    """A request is begun twice, and paid meanwhile: its session, or another one elsewhere."""
    request, seen = people.new_request(world), len(world.account.events)
    askers = [Actor(actors.USER, lambda: asking.ask_for(world, request)) for _ in range(2)]
    if world.tape.chance(0.5):
        return [*askers, Actor(actors.WEBHOOK, lambda: _pay_as_soon_as_possible(world, request))]
    elsewhere.pay_session_of(world, request, request.amount, user_id=request.user_id)
    reported = [one for one in world.webhooks.due() if one.event in world.account.events[seen:]]
    return [*askers[world.tape.number(0, 1) :], *(actors.webhook(world, one) for one in reported)]


def _pay_as_soon_as_possible(world: InterleavedWorld, request: Request) -> None:
    """Once Stripe has the session, whoever knows of it; and its webhook comes at once."""
    for _ in range(PATIENCE):
        world.turns.pause()
        for session in world.account.all("checkout.session", status=OPEN):
            if session["metadata"]["request_id"] == request.request_id:
                world.account.pay(session["id"], by_debit=False)
                traffic.deliver_one(world, _of(world, world.account.now(session["id"])["payment_intent"])[0])
                return


def rivals(world: InterleavedWorld) -> actors.Actors:
    """Two requests of one user, who may begin to pay one of them."""
    first = people.new_request(world)
    second = people.new_request(world)
    second.user_id = first.user_id
    before, both = asking.usage_of(world, first), [first, second]
    world.judge_at_once = lambda: asking.require_limits_at_once(world, both, before)
    return [
        Actor(actors.USER, lambda: asking.ask_for(world, first)),
        Actor(actors.USER, lambda: asking.ask_for(world, second)),
    ]


def late_reconciler(world: InterleavedWorld) -> actors.Actors:
    """When much is due, or as after a restore."""
    world.clock.pass_(world.tape.pick((1000, 4000, 26 * 3600)))
    if world.tape.chance(0.25):
        since = int(world.clock.epoch) - world.tape.number(1, 90_000)
        return [Actor(actors.RECONCILER, lambda: reconciling.reconcile(world, since=since))]
    return actors.reconciler(world)


def forgotten(world: InterleavedWorld) -> actors.Actors:
    """A reconciler gives up a session that Stripe does not know any more, while somebody holds its row."""
    session_id = _open_session(world)
    if session_id is None:
        return []
    world.forgotten.add(session_id)
    oddities.forget(world.account, session_id)
    world.say(f"Stripe forgets {session_id}")
    for _ in range(GIVEN_UP_AFTER - 1):
        world.clock.pass_(26 * 3600)
        reconciling.reconcile(world)
    world.clock.pass_(26 * 3600)
    return [*actors.reconciler(world), actors.holder(world, session_id)]


def reconcilers(world: InterleavedWorld) -> actors.Actors:
    """Two, when Kafka has lost what nobody had read."""
    if world.tape.chance(0.7):
        traffic.lose_unread(world)
    world.clock.pass_(world.tape.pick((1000, 4000, 26 * 3600)))
    return [*actors.reconciler(world), *actors.reconciler(world)]


def late_consumer(world: InterleavedWorld) -> actors.Actors:
    """One, of the payments of several users."""
    for _ in range(3):
        people.ask(world)
        _paid(world, by_debit=False)
    for delivery in world.webhooks.due():
        traffic.deliver_one(world, delivery)
    batch = world.topics[FINISHED].batch(range(PARTITIONS), 1000)
    return [actors.consumer(world, batch)] if batch else []


def rebuilder(world: InterleavedWorld) -> actors.Actors:
    """A balance is rebuilt, or moved by the application, while it is credited."""
    if not world.signed_up:
        return []
    words = openings.doubting(world, world.tape.pick(world.signed_up), "doubt")
    rebuilds = [Actor(actors.OPERATOR, lambda: operators.run(world, *words))]
    credits_ = late_consumer(world)
    return [*credits_, *(rebuilds if world.tape.chance(0.5) else actors.application(world))]


def absent(world: InterleavedWorld) -> actors.Actors:
    """What an absent user has paid is discarded, and comes again, while he signs up; or two operators discard
    it, who wait for each other only at its record."""
    away = [user_id for user_id in USERS if user_id not in world.signed_up]
    if not away:
        return []
    request = people.new_request(world)
    request.user_id = world.tape.pick(away)
    elsewhere.pay_session_of(world, request, request.amount, user_id=request.user_id)
    for delivery in world.webhooks.due():
        traffic.deliver_one(world, delivery)
    batch = world.topics[FINISHED].batch(range(PARTITIONS), 1000)
    if not batch:
        return []
    actors.consumer(world, batch).act()
    if world.tape.chance(0.4):
        return actors.decisions(world)
    consumer = actors.consumer(world, batch)
    if world.tape.chance(0.7):
        consumer.act = partial(_once_signed_up, world, request.user_id, consumer.act)
    return [
        Actor(actors.OPERATOR, lambda: _discard_of(world, request.user_id)),
        consumer,
        Actor(actors.APPLICATION, lambda: people.enter_user(world, request.user_id)),
    ]


def _discard_of(world: InterleavedWorld, user_id: int) -> None:
    """A parked record of this user."""
    found = world.application.rows(
        "SELECT id, payment_intent_id FROM parked_events WHERE resolution IS NULL AND user_id = %s"
        " ORDER BY id",
        [user_id],
    )
    if found:
        operators.discard_one(world, "parked", world.tape.pick(found))


def _once_signed_up(world: InterleavedWorld, user_id: int, consume: Callable[[], object]) -> object:
    """The operator may have looked before."""
    for _ in range(PATIENCE):
        if user_id in world.signed_up:
            break
        world.turns.pause()
    return consume()


def _paid(world: InterleavedWorld, *, by_debit: bool) -> Resource | None:
    """The charge of a session that is paid now; None if there is none, and none can be begun."""
    session_id = _open_session(world)
    if session_id is None:
        return None
    world.account.pay(session_id, by_debit=by_debit)
    world.say(f"{session_id} is paid{' by debit' if by_debit else ''}")
    return world.account.all("charge")[-1]


def _open_session(world: InterleavedWorld) -> str | None:
    """One that can be paid; None if there is none, and none can be begun."""
    if not people.open_sessions(world):
        asking.ask_for(world, people.new_request(world))
    open_ = people.open_sessions(world)
    return str(world.tape.pick(open_)) if open_ else None


def _of(world: InterleavedWorld, intent: str) -> list[Delivery]:
    """The deliveries of its events, oldest first."""
    world.webhooks.due()
    return [one for one in world.webhooks.deliveries if actors.intent_of(one.event) == intent]
