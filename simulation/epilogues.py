"""What is tried once all is right: each of these ends the world."""

import json
from collections.abc import Callable

import psycopg2

from simulation import asking, corruption, traffic
from simulation.broken import Broken
from simulation.checker import Checker
from simulation.wanted import Request
from simulation.world import CURRENCY, World

AMOUNT = 500
Period = Callable[[World, float], None]
Verify = Callable[[World], set[str]]


def corrupt(world: World, checker: Checker, verify: Verify) -> None:
    """A row is changed by hand: `verify` names that, and nothing else."""
    made = corruption.corrupt(world)
    if made is not None:
        checker.corrupted(made, verify(world))


def change_ledger(world: World) -> None:
    """The ledger cannot be changed, by its owner neither."""
    for statement in (
        "UPDATE ledger_entries SET amount_cents = amount_cents + 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
    ):
        try:
            world.application.as_application(statement)
        except psycopg2.Error:
            continue
        raise Broken("the ledger is closed", statement)


def pay_once_more(world: World, verify: Verify) -> None:
    """A payment of this moment is on its way, which is no offence."""
    session_id = _begun(world)
    if session_id is None:
        return
    world.account.pay(session_id, by_debit=False)
    traffic.deliver_all(world)
    if offences := verify(world):
        raise Broken("what is on its way is no offence", f"{offences}")


def forge(world: World, checker: Checker, verify: Verify, period: Period) -> None:
    """Somebody writes a payment into our table: it is not credited, and `verify` names it."""
    session_id = _begun(world)
    if session_id is None:
        return
    kind = world.tape.pick(("of nobody", "unpaid", "with another's event", "for more than was paid"))
    request_id, event_id, cents, intent = "forged", None, AMOUNT, "pi_forged"
    if kind == "of nobody":
        world.checkout.as_application(
            "INSERT INTO checkout_transactions (request_id, user_id, amount_cents, currency, purpose, status)"
            " VALUES (%s, 1, %s, %s, 'balance_topup', 'session_pending')",
            [request_id, AMOUNT, CURRENCY],
        )
    else:
        request_id = world.account.now(session_id)["metadata"]["request_id"]
    if kind == "with another's event":
        found = world.checkout.rows(
            "SELECT event_id FROM stripe_events WHERE outcome = 'applied' AND request_id IS NOT NULL"
            " ORDER BY event_id LIMIT 1"
        )
        event_id = found[0]["event_id"] if found else None
    if kind == "for more than was paid":
        world.account.pay(session_id, by_debit=False)
        for delivery in world.webhooks.due():
            delivery.is_answered = True
        intent, cents = world.account.now(session_id)["payment_intent"], 10 * AMOUNT
    world.forged.add(f"success:{request_id}")
    world.checkout.as_application(
        "UPDATE checkout_transactions SET status = 'payment_succeeded', paid_cents = %s, credit_cents = %s,"
        " paid_currency = %s, payment_intent_id = %s, paid_event_id = %s, completed_at = now(),"
        " updated_at = now() WHERE request_id = %s",
        [cents, cents, CURRENCY, intent, event_id, request_id],
    )
    world.say(f"forged: {kind}, {json.dumps([request_id, intent, event_id])}")
    for seconds in (960, 3600, 25 * 3600):
        period(world, seconds)
        checker.after_step()
    if not verify(world):
        raise Broken("what somebody has written is reported", kind)
    said = world.metrics.about("PaymentWithoutEvidence", "request_id")
    if request_id not in said and not world.has_release_before:
        raise Broken("what somebody has written is announced", kind)


def _begun(world: World) -> str | None:
    """A session that somebody may pay now; None if nobody may begin one."""
    if world.swarm.terms.is_limited or not world.swarm.terms.sells(AMOUNT):
        return None
    request = Request(str(world.tape.uuid()), 1, AMOUNT)
    world.requests.append(request)
    found = asking.ask_for(world, request)
    return found if isinstance(found, str) else None
