"""What must be done in the end: nothing waits any more, but for what a person must decide."""

from simulation.broken import Broken
from simulation.contested import contested
from simulation.kafka import FINISHED, REQUESTS
from simulation.world import World

LISTED = 5


def require_none(world: World) -> None:
    """Raises Broken, naming where something is left."""
    exempt = list(contested(world) | world.decided)
    for what, found in (
        ("outbox", world.checkout.rows("SELECT effect_key FROM outbox")),
        (
            "events",
            world.checkout.rows(
                "SELECT event_id, outcome, reason FROM stripe_events WHERE outcome IN ('waiting', 'held')"
                " AND NOT payment_intent_id = ANY(%s)",
                [exempt],
            ),
        ),
        (
            "parked",
            world.application.rows(
                "SELECT effect_key, reason FROM parked_events WHERE resolution IS NULL AND topic = %s"
                " AND NOT value = ANY(%s) AND (payment_intent_id = ANY(%s)) IS NOT TRUE",
                [FINISHED, list(world.poison), exempt],
            ),
        ),
        (
            "uncredited",
            world.checkout.rows(
                "SELECT request_id FROM checkout_transactions"
                " WHERE status = 'payment_succeeded' AND credited_at IS NULL"
                " AND NOT payment_intent_id = ANY(%s)",
                [exempt],
            ),
        ),
    ):
        if found:
            raise Broken(f"nothing is left in {what}", f"{found[:LISTED]}")
    lags = {name: world.topics[name].lag() for name in (FINISHED, REQUESTS)}
    if any(lags.values()):
        raise Broken("nothing is left on Kafka", f"{lags}")
