"""What must be done in the end: nothing waits any more, but for what a person must decide."""

from simulation.broken import Broken
from simulation.contested import contested
from simulation.discarded import credit_names
from simulation.kafka import FINISHED, REQUESTS
from simulation.stored import OF_EVENT, PAID_BY
from simulation.world import World

LISTED = 5


def require_nothing_taken_of_parked(world: World) -> None:
    """Raises Broken if a refund or dispute was entered after its credit had been parked."""
    if world.works_at_once:
        return  # What another consumer was parking at that moment was not known.
    found = world.application.rows(
        "SELECT e.effect_key FROM ledger_entries e JOIN parked_events p USING (payment_intent_id, user_id)"
        " WHERE e.kind <> 'success' AND starts_with(p.effect_key, 'success:')"
        "   AND p.resolution IS DISTINCT FROM 'replayed' AND e.created_at > p.created_at"
        "   AND NOT EXISTS (SELECT FROM ledger_entries c WHERE c.kind = 'success'"
        "     AND c.payment_intent_id = e.payment_intent_id AND c.user_id = e.user_id)"
    )
    if found:
        raise Broken("nothing is taken of a credit that is parked", f"{found[:LISTED]}")


def require_discarded_stay_so(world: World) -> None:
    """Raises Broken if a decision that one of the databases has is open again after the drill."""
    found = world.application.rows(
        "SELECT effect_key, payment_intent_id, user_id, amount_cents FROM parked_events"
        " WHERE resolution IS NULL AND effect_key IS NOT NULL"
    )
    # Of a credit its user and amount count: another one may have claimed it, too.
    keys = {row["effect_key"] for row in found if not row["effect_key"].startswith("success:")}
    if again := (keys | credit_names(found)) & world.discarded.keys:
        raise Broken("after the drill what was discarded stays so", f"{sorted(again)[:LISTED]}")


def require_none(world: World) -> None:
    """Raises Broken, naming what is left."""
    exempt = list(contested(world) | world.decided)
    for what, found in (
        ("outbox", world.checkout.rows("SELECT effect_key FROM outbox")),
        (
            "events",
            world.checkout.rows(
                "SELECT event_id, outcome, reason FROM stripe_events WHERE outcome IN ('waiting', 'held')"
                f" AND NOT {OF_EVENT} = ANY(%s)",
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
                " WHERE status = 'payment_succeeded' AND credited_at IS NULL AND purpose = 'balance_topup'"
                f" AND NOT {PAID_BY} = ANY(%s)",
                [exempt],
            ),
        ),
    ):
        if found:
            raise Broken(f"nothing is left in {what}", f"{found[:LISTED]}")
    lags = {name: world.topics[name].lag() for name in (FINISHED, REQUESTS)}
    if any(lags.values()):
        raise Broken("nothing is left on Kafka", f"{lags}")
