"""What an operator judges to be right as it is, adjusts if need be, and accepts. If Stripe moves that money
later, an adjustment is too much: `verify` must list it again."""

from collections.abc import Mapping
from typing import Any

from simulation import elsewhere, operators, people, traffic
from simulation.accepted import DISCARDED, TWICE, Cents
from simulation.broken import Broken
from simulation.contested import contested
from simulation.server import CLOSED, CLOSED_USER
from simulation.stripe_model import disputes
from simulation.stripe_model.account import Resource
from simulation.wanted import Move, Request
from simulation.world import CURRENCY, World


def accept(world: World) -> None:
    """Something that is listed."""
    outcome = operators.run(world, "verify")
    if isinstance(outcome, BaseException):
        return
    listed = [
        (one["name"], sample)
        for one in outcome.content["findings"]
        if one["name"] in (DISCARDED, TWICE)
        for sample in one["samples"]
    ]
    if listed:
        _accept(world, *world.tape.pick(listed))


def _accept(world: World, name: str, sample: Mapping[str, Any]) -> None:
    intent = sample.get("payment_intent_id") or _intent(world, sample.get("request_id"))
    if intent is None:
        return
    names = ("amount_cents",) if name == DISCARDED else ("refunded_cents", "disputed_cents")
    cents: Cents = tuple(sample[one] for one in names)
    if name == DISCARDED and sample["currency"] == CURRENCY and cents[0] and world.tape.chance(0.7):
        operators.adjust_by(world, Move(f"adjust:{world.tape.digits(32):08x}", sample["user_id"], cents[0]))
    outcome = operators.run(world, "accept", sample["finding"], "--reason", "it is settled otherwise")
    if isinstance(outcome, BaseException) or world.has_release_before or world.swarm.settles_elsewhere:
        # The release before does not list again what has changed, and a return in another currency may have
        # to wait for the end of its dispute.
        world.accepted.doubt(name, intent)
    else:
        world.accepted.add(name, intent, cents)


def _intent(world: World, request_id: str | None) -> str | None:
    found = world.checkout.rows(
        "SELECT payment_intent_id FROM checkout_transactions WHERE request_id = %s", [request_id]
    )
    return found[0]["payment_intent_id"] if found else None


def accept_and_go_on(world: World) -> None:
    """What is accepted may be moved by Stripe afterwards."""
    world.tape.pick((_credit_by_hand, _give_goodwill))(world)


def _credit_by_hand(world: World) -> None:
    """What the application refused is discarded, and credited by hand. Then the bank takes it back."""
    rule, world.application.rule = world.application.rule, CLOSED
    charge = _paid(world, CLOSED_USER)
    parked = world.application.rows(
        "SELECT id, payment_intent_id FROM parked_events WHERE resolution IS NULL AND payment_intent_id = %s",
        [charge["payment_intent"]],
    )
    for one in parked:
        operators.discard_one(world, "parked", one)
    accept(world)
    if world.tape.chance(0.7):
        _take(world, charge)
    world.application.rule = rule


def _give_goodwill(world: World) -> None:
    """What was refunded and disputed, and so taken twice, is given back out of goodwill. Then the dispute is
    won."""
    charge = _paid(world, world.tape.pick(world.signed_up)) if world.signed_up else None
    if charge is None:
        return
    world.account.refund(charge["id"], charge["amount"], "succeeded")
    _take(world, charge)
    accept(world)
    [dispute] = world.account.all("dispute", charge=charge["id"])
    if world.tape.chance(0.7):
        disputes.close(world.account, dispute["id"], "won", returned=charge["amount"])
        world.say(f"{dispute['id']} is won")


def _paid(world: World, user_id: int) -> Resource:
    """The charge of a session that was not begun here, and has arrived."""
    request = Request(str(world.tape.uuid()), user_id, world.tape.pick(people.AMOUNTS))
    elsewhere.pay_session_of(world, request, request.amount, user_id=user_id)
    charge = world.account.all("charge")[-1]
    if charge["status"] == "pending":
        world.account.end_debit(charge["id"], settles=True)
    _arrive(world)
    return charge


def _take(world: World, charge: Resource) -> None:
    disputes.begin(world.account, charge["id"])
    [dispute] = world.account.all("dispute", charge=charge["id"])
    disputes.move(world.account, dispute["id"], withdrawn=True)
    world.say(f"{charge['payment_intent']} is disputed and withdrawn")
    _arrive(world)


def _arrive(world: World) -> None:
    traffic.deliver_all(world)
    traffic.relay(world)
    traffic.consume(world, all_=True)


def require_listed_again(world: World) -> None:
    """Raises Broken if what was taken twice has changed since it was accepted, and is not listed."""
    undecidable = world.decided | contested(world)
    changed = {
        intent
        for intent in world.accepted.certain(TWICE) - undecidable
        if not world.accepted.is_possible(TWICE, intent, _taken(world, intent))
    }
    if not changed:
        return
    [found] = [one for one in operators.run(world, "verify").content["findings"] if one["name"] == TWICE]
    listed = {_intent(world, sample["request_id"]) for sample in found["samples"]}
    if unlisted := changed - listed:
        raise Broken("what was accepted is listed once it has changed", f"{sorted(unlisted)}")


def _taken(world: World, intent: str) -> Cents:
    refunds = world.account.all("refund", payment_intent=intent, status="succeeded")
    disputed = world.account.all("dispute", payment_intent=intent)
    taken = sum(disputes.taken_by(world.account, one) for one in disputed)
    return sum(one["amount"] for one in refunds), taken
