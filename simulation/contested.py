"""Payments about which nobody can decide but a person."""

from collections import defaultdict

from simulation.settled import unclear
from simulation.stripe_model.account import paid_by
from simulation.world import CURRENCY, World


def contested(world: World) -> set[str]:
    """Payments in another currency than the balances', or of which a dispute moved in one what nobody can
    count; those of a request that two users claim, or with which
    somebody has credited another user; and those of a request that has several after a restore: an event
    names another user than the row, or two payments have each other's request_id. Such a payment may be left
    to an operator."""
    users: defaultdict[str, set[int]] = defaultdict(set)
    intents: defaultdict[str, set[str]] = defaultdict(set)
    credited: defaultdict[str, set[int]] = defaultdict(set)
    for intent, user_id in world.usurped:
        credited[intent].add(user_id)
    for request in world.requests:
        users[request.request_id].add(request.user_id)
    for session in world.account.all("checkout.session"):
        metadata, intent = session["metadata"], paid_by(session)
        users[metadata["request_id"]] |= {int(metadata["user_id"])} | credited[intent]
        intents[metadata["request_id"]] |= {intent} - {None}
    foreign = {one["id"] for one in world.account.all("payment_intent") if one["currency"] != CURRENCY}
    if world.swarm.settles_elsewhere:
        foreign |= {one["payment_intent"] for one in unclear(world.account)}
    return foreign | {
        intent
        for request_id, those in intents.items()
        if len(users[request_id]) > 1 or (world.restores and len(those) > 1)
        for intent in those
    }
