"""Kafka refuses what is larger than the topic allows: somebody has set max.message.bytes too low, until it is
noticed. The messages are none the worse for it, and all others must go."""

from simulation import traffic
from simulation.broken import Broken
from simulation.kafka import FINISHED
from simulation.processes import ENVIRONMENTS
from simulation.world import World

RELAYED_SECONDS = 10
"""After so long a relay takes what a process has left."""


def refuse_large(world: World) -> None:
    """Some sizes that messages have, and what is larger; what is refused now stays so."""
    topic = world.topics[FINISHED]
    if topic.ever:
        size = len(world.tape.pick([*topic.ever])) - 1
        topic.largest = size if topic.largest is None else min(size, topic.largest)
        world.say(f"Kafka refuses what has more than {topic.largest} bytes")


def end(world: World) -> None:
    """Somebody has set it right."""
    topic = world.topics[FINISHED]
    if topic.largest is not None:
        topic.largest = None
        world.say("Kafka takes messages of any size")


def require_others_go(world: World) -> None:
    """Nothing else fails: after a relay's run, only what is refused is left in the outbox."""
    largest = world.topics[FINISHED].largest
    if largest is None:
        return
    world.clock.pass_(RELAYED_SECONDS)
    for _ in range(ENVIRONMENTS + 1):
        if not isinstance(traffic.relay(world), BaseException):
            break
    left = world.checkout.rows("SELECT effect_key, value FROM outbox")
    if others := [row["effect_key"] for row in left if len(bytes(row["value"])) <= largest]:
        raise Broken("what is refused keeps nothing else in the outbox", f"{sorted(others)}")
