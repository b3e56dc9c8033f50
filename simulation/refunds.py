"""Operators who refund through Stripe, again and again: the money goes back once for each key."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from checkout.base.errors import NotFound, Refused, StripeRefused
from simulation import operators
from simulation.broken import Broken
from simulation.stripe_model.account import Resource
from simulation.wanted import Ordered
from simulation.world import World

FINAL_ANSWERS = NotFound | Refused | StripeRefused
"""Why nothing is refunded although nothing fails; the last is an error that Stripe replays."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operator asks for."""

    key: str
    ordered: Ordered


_PAID = (
    "SELECT (SELECT amount_cents FROM requested_refunds WHERE refund_key = %s) AS remembered"
    " FROM checkout_transactions WHERE payment_intent_id = %s AND status = 'payment_succeeded'"
)


def refund(world: World) -> None:
    if (asked := some(world)) is not None:
        ask(world, asked)


def some(world: World) -> Asked | None:
    """A new refund, or one under a key that was used, rarely for something else. None if nobody has paid."""
    paid = world.account.all("charge", status="succeeded")
    if not paid:
        return None
    if world.refunds and world.tape.chance(0.5):
        key = world.tape.pick(sorted(world.refunds))
        if world.tape.chance(0.85):
            return Asked(key, world.refunds[key])
        world.mixed_up.add(key)
        return Asked(key, _some_part(world, paid))
    return another(world, _some_part(world, paid))


def another(world: World, ordered: Ordered) -> Asked:
    """The same under a key of its own."""
    key = f"T-{world.tape.digits(32):08x}"
    world.refunds[key] = ordered
    return Asked(key, ordered)


def _some_part(world: World, paid: list[Resource]) -> Ordered:
    charge = world.tape.pick(paid)
    amount = None if world.tape.chance(0.4) else world.tape.number(1, max(1, charge["amount"] // 3))
    return Ordered(charge["payment_intent"], amount)


def ask(world: World, asked: Asked) -> Any:
    """Returns what the verb does, or its approval."""
    amount = asked.ordered.amount
    before = world.interruptions, len(world.tape.faults)
    is_shown = not world.stripe.lag.is_behind
    outcome = operators.run(
        world,
        *("refund", asked.ordered.intent, "--key", asked.key, "--reason", "asked for"),
        *([] if amount is None else ["--amount-cents", str(amount)]),
    )
    if not isinstance(outcome, BaseException) and "requested" in outcome.content:
        outcome = _approved(world, asked.key, outcome.content["requested"])
    _require_once(world)
    if outcome is None:
        return None
    is_undisturbed = is_shown and before == (world.interruptions, len(world.tape.faults))
    if isinstance(outcome, Refused) and is_undisturbed and _is_possible(world, asked):
        raise Broken("what is left can be refunded", f"{asked}: {outcome!r}")
    is_done = not isinstance(outcome, BaseException)
    if is_done and outcome.content.get("refund_id") not in world.stripe.refunding.made:
        raise Broken("who refunds gets the refund of his key", f"{asked.key}: {outcome.content}")
    return outcome


def ask_all_again(world: World) -> None:
    """Nothing fails any more: who repeats a refund gets its answer."""
    for key, ordered in sorted(world.refunds.items()):
        found = ask(world, Asked(key, ordered))
        if isinstance(found, BaseException) and not isinstance(found, FINAL_ANSWERS):
            raise Broken("who repeats a refund gets its answer", f"{key}: {found!r}")


def _is_possible(world: World, asked: Asked) -> bool:
    """Stripe would refund it, we know of the payment, and the key stands for nothing else."""
    was_refused = any(one.endswith(f":{asked.key}") for one in world.stripe.refunding.refused)
    if not world.is_alone or world.restores or was_refused or asked.key in world.mixed_up:
        return False
    [charge] = world.account.all("charge", payment_intent=asked.ordered.intent)
    left = world.account.left_to_refund(charge)
    known = world.checkout.rows(_PAID, [asked.key, asked.ordered.intent])
    return bool(known) and left >= (known[0]["remembered"] or asked.ordered.amount or 1)


def _approved(world: World, key: str, request: str) -> Any:
    """By another operator, who may do it twice; None if nobody does."""
    own = operators.run(world, "approve", request)
    if not isinstance(own, BaseException):
        raise Broken("nobody approves what he has asked for", key)
    if not world.is_calm and world.tape.chance(0.3):
        return None
    world.approved.add(key)
    outcome = operators.run(world, "approve", request, operator="bob")
    if world.tape.chance(0.3):
        operators.run(world, "approve", request, operator="bob")
    return outcome


def _require_once(world: World) -> None:
    made = [world.account.now(refund_id) for refund_id in world.stripe.refunding.made]
    keys = Counter((one["metadata"]["refund_key"], one["payment_intent"]) for one in made)
    if not world.restores:
        # Which payment a key stands for is remembered, unless a restore has taken it away.
        keys = Counter((key, "") for key, _ in keys.elements())
    if twice := [key for key, count in keys.items() if count > 1]:
        raise Broken("the money goes back once for a key", f"{twice}")
    limit = world.swarm.terms.four_eyes_cents
    for one in made:
        key = one["metadata"]["refund_key"]
        if limit is not None and one["amount"] > limit and key not in world.approved:
            raise Broken("a large refund needs two operators", f"{key}: {one['amount']}")
