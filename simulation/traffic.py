"""What runs by itself: Stripe's webhooks, Kafka's triggers, the schedules; and how each of them fails."""

from collections.abc import Callable, Sequence
from typing import Any

from checkout.base.errors import CheckoutError, DatabaseUnavailable
from checkout.outbox.record import Record, first_of_each_partition
from simulation.asking import TIMES_ASKED_AGAIN
from simulation.broken import Broken
from simulation.kafka import FINISHED, PARTITIONS, REQUESTS
from simulation.processes import ENVIRONMENTS
from simulation.stripe_model import account, oddities
from simulation.stripe_model.webhooks import Delivery
from simulation.world import World

BATCHES = (1, 2, 10, 1000)
TIMES_READ_AGAIN = 8
ACCOUNT = "acct_ours"
FIRST_ERROR = 400
"""HTTP's."""


def deliver(world: World) -> None:
    """Some of what is due, in any order."""
    due = world.webhooks.due()
    for delivery in world.tape.shuffled(due)[: world.tape.number(1, 4)]:
        deliver_one(world, delivery)


def deliver_all(world: World) -> None:
    """What is due, in its order."""
    for delivery in world.webhooks.due():
        deliver_one(world, delivery)


def deliver_one(world: World, delivery: Delivery) -> object:
    """Returns the answer."""
    context = ACCOUNT if world.swarm.is_in_organisation and not world.has_release_before else None
    body, header = world.webhooks.signed(delivery, rotated=world.tape.chance(0.2), context=context)
    event = delivery.event
    delivery.attempts += 1
    world.counts["deliveries"] += 1
    outcome = _by_any_process(
        world,
        f"webhook {event['type']} of {event['data']['object']['id']} ({event['id']})",
        lambda system: system.receive_webhook(body, header),
    )
    if isinstance(outcome, str) or (isinstance(outcome, CheckoutError) and outcome.status < FIRST_ERROR):
        require_stored(world, event["id"])
        if outcome == "applied" and event["data"]["object"].get("payment_status") in account.PAID_OR_FREE:
            world.paid.add(event["data"]["object"]["id"])
        delivery.is_answered = world.is_calm or not world.tape.chance(0.1)
    elif world.is_calm:
        raise AssertionError(f"nothing fails, and a webhook is answered with {outcome!r}")
    return outcome


def require_stored(world: World, event_id: str) -> None:
    """2xx only with the event stored."""
    if not world.checkout.rows("SELECT 1 AS found FROM stripe_events WHERE event_id = %s", [event_id]):
        raise AssertionError(f"2xx without {event_id} stored")


def tell_twice(world: World) -> None:
    """Stripe reports a fact under a second id, or sends an event once more."""
    if not world.account.events:
        return
    event = world.tape.pick(world.account.events)
    if world.tape.chance(0.5):
        oddities.repeat(world.account, event)
        world.say(f"{event['id']} gets a twin")
    else:
        for delivery in world.webhooks.deliveries:
            if delivery.event is event:
                delivery.is_answered = False


def lose_event(world: World) -> None:
    """The webhooks of some never come."""
    for lost in world.tape.shuffled(world.webhooks.due())[: world.tape.number(1, 3)]:
        lost.is_answered = True
        world.say(f"the webhook {lost.event['id']} is lost")


def consume(world: World, *, all_: bool = False) -> None:
    topic = world.topics[FINISHED]
    among = range(PARTITIONS) if all_ else [n for n in range(PARTITIONS) if world.tape.chance(0.7)]
    batch = topic.batch(among, 1000 if all_ else world.tape.pick(BATCHES))
    if not batch:
        return
    tally = _credit(world, batch)
    if not isinstance(tally, BaseException) and not _offsets_are_lost(world):
        again = [(one.partition, one.offset) for one in first_of_each_partition(tally.again)]
        topic.store(batch, again)
    if world.is_calm and topic.lag():
        raise AssertionError(f"nothing fails, and of a batch {topic.lag()} records must come again")


def _credit(world: World, batch: Sequence[Record]) -> Any:
    world.counts["deliveries"] += len(batch)
    deadline = world.clock.epoch + 30
    return _by_any_process(
        world,
        f"consume {[(one.partition, one.offset) for one in batch]}",
        lambda system: system.credit_balances(batch, deadline),
    )


def _by_any_process(world: World, what: str, act: Callable[[Any], object]) -> Any:
    """Where nothing fails, a process whose connection leads to a server that is read-only now fails once."""
    outcome = world.run(what, act)
    left = ENVIRONMENTS if world.is_calm else 0
    while left and isinstance(outcome, DatabaseUnavailable):
        outcome = world.run(what, act)
        left -= 1
    return outcome


def read_topic_again(world: World) -> None:
    """All records that ever were on it, several times, in any order, in one batch."""
    topic = world.topics[FINISHED]
    topic.find_lost()
    known = [record for records in topic.partitions for record in records if record is not None]
    batch = world.tape.shuffled(known * TIMES_READ_AGAIN)
    if batch:
        world.counts["deliveries"] += len(batch)
        deadline = world.clock.epoch + 30
        world.run(f"consume {len(batch)} again", lambda system: system.credit_balances(batch, deadline))


def consume_requests(world: World, *, all_: bool = False) -> None:
    topic = world.topics[REQUESTS]
    batch = topic.batch(range(PARTITIONS), 1000 if all_ else world.tape.pick(BATCHES))
    if not batch:
        return
    world.counts["deliveries"] += len(batch)
    deadline = world.clock.epoch + 80
    again = world.run(f"answer {len(batch)} requests", lambda system: system.answer_requests(batch, deadline))
    if isinstance(again, BaseException):
        return
    for first in first_of_each_partition(again):
        # Nothing is answered before what stands before it.
        if [one for one in batch if _is_behind(one, first)] != [
            one for one in again if _is_behind(one, first)
        ]:
            raise Broken("a partition's requests are answered in order", f"{first.partition}/{first.offset}")
    if not _offsets_are_lost(world):
        topic.store(batch, [(one.partition, one.offset) for one in again])


def answer_all_requests(world: World) -> None:
    """Nothing fails. A key can be used up, or too old: so often a request may be asked for again."""
    for _ in range(TIMES_ASKED_AGAIN):
        consume_requests(world, all_=True)
        if not world.topics[REQUESTS].lag():
            return
    raise Broken("once nothing fails, every request is answered", f"{world.topics[REQUESTS].stored}")


def _is_behind(one: Record, first: Record) -> bool:
    return one.partition == first.partition and one.offset >= first.offset


def _offsets_are_lost(world: World) -> bool:
    return not world.is_calm and world.tape.chance(0.1)


def relay(world: World) -> Any:
    """A run. Returns its result, the CheckoutError, or Died."""
    deadline = world.clock.epoch + 30
    return world.run("relay", lambda system: system.delivery.relay(deadline))


def fall_behind(world: World) -> None:
    seconds = world.tape.pick((60, 600, 1800))
    world.stripe.lag.begin(seconds)
    world.say(f"for {seconds} s Stripe's reads show what there is now")


def broker_away(world: World) -> None:
    seconds = world.tape.pick((60, 600, 4000))
    world.broker_returns = world.clock.epoch + seconds
    world.say(f"Kafka is away for {seconds} s")


def lose_record(world: World) -> None:
    """Kafka loses it, although it was acknowledged."""
    topic = world.topics[FINISHED]
    places = [(n, at) for n, records in enumerate(topic.partitions) for at in range(len(records))]
    if places:
        unread = [(number, offset) for number, offset in places if offset >= topic.stored[number]]
        number, offset = world.tape.pick(unread if unread and world.tape.chance(0.7) else places)
        topic.lose(number, offset)
        world.say(f"Kafka loses {number}/{offset}")


POISON = (
    b"no JSON",
    b"",
    b'{"request_id":"p","user_id":1,"amount_cents":"5","status":"success","timestamp":"t"}',
    b'{"request_id":"p","user_id":1,"amount_cents":5,"status":"refunded","timestamp":"t"}',
    b'{"request_id":"p","user_id":99,"amount_cents":5,"status":"success","timestamp":"t"}',
    b'{"request_id":"p","user_id":1,"amount_cents":5,"currency":"usd","status":"success","timestamp":"t"}',
    b'{"request_id":"p","user_id":1,"amount_cents":9223372036854775808,"status":"success","timestamp":"t"}',
)
"""What can never be applied."""


def poison(world: World) -> None:
    """Somebody else puts it on the topic."""
    value = world.tape.pick(POISON)
    world.poison.add(value)
    world.topics[FINISHED].append(str(world.tape.number(1, 3)), value)
    world.say(f"poison on the topic: {value!r}")


def reset_offsets(world: World) -> None:
    topic = world.tape.pick([*world.topics.values()])
    number = world.tape.number(0, PARTITIONS - 1)
    topic.stored[number] = world.tape.number(0, len(topic.partitions[number]))
    world.say(f"offset of {topic.name}-{number} is {topic.stored[number]}")


def read_from_the_beginning(world: World) -> None:
    """All records that are on the topic, once more."""
    world.topics[FINISHED].stored = [0] * PARTITIONS
    world.say("the topic is read from its beginning")
    consume(world, all_=True)


def lose_unread(world: World) -> None:
    """Kafka loses what nobody has read yet."""
    topic = world.topics[FINISHED]
    for number, records in enumerate(topic.partitions):
        for offset in range(topic.stored[number], len(records)):
            topic.lose(number, offset)
    world.say("Kafka loses what was not read")


def empty_topic(world: World) -> None:
    world.topics[FINISHED].begin_anew()
    world.say("the topic begins anew")


def pass_time(world: World) -> None:
    world.clock.pass_(seconds := world.tape.pick((0.1, 6, 61, 310, 901, 3700, 7 * 3600, 25 * 3600)))
    world.say(f"{seconds} s pass")
    for session in world.account.all("checkout.session", status="open"):
        if session["expires_at"] <= world.clock.epoch:
            world.account.expire(session["id"])
