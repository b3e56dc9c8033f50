"""What is no payment to us, although it says so: sent by somebody else, or of another kind. It must not be
credited."""

import hashlib
import hmac
import json
from typing import Any

from checkout.base.errors import CheckoutError
from simulation.broken import Broken
from simulation.kafka import FINISHED
from simulation.server import APP_ID
from simulation.stripe_model import oddities
from simulation.stripe_model.webhooks import SECRET
from simulation.world import API_VERSION, TOP_UP, USERS, World

LATER = 3600
FORGED, FOR_LATER, CONNECTED = "forged", "signed for later", "of a connected account"
LIVE, UNHANDLED = "of the other mode", "of a type that nobody asked for"
LEAKED = "signed with our secret, of a session that Stripe does not have"
ANSWERS = {CONNECTED: "ignored", LIVE: "held", UNHANDLED: "ignored", LEAKED: "waiting"}
CONTRADICTED = "that contradicts a payment"
SESSIONS: dict[str, dict[str, Any]] = {
    "a subscription": {"mode": "subscription"},
    "without a payment intent": {"payment_intent": None},
    "for nothing": {"payment_intent": None, "amount_total": 0},
    "without payment": {"payment_status": "no_payment_required"},
}
"""What such a session has that is not a payment's."""


def mislead(world: World) -> None:
    kind = world.tape.pick((FORGED, FOR_LATER, *ANSWERS, *SESSIONS, CONTRADICTED, CONTRADICTED))
    if kind == CONTRADICTED:
        _contradict(world)
        return
    if kind in SESSIONS:
        complete(world, kind)
        return
    event = _event(world, _metadata(world))
    if kind == CONNECTED:
        event["account"] = "acct_connected"
    elif kind == LEAKED:
        # It waits for Stripe to know it, and is held in the end.
        world.decided.add(event["data"]["object"]["payment_intent"])
    elif kind == LIVE:
        event["livemode"] = True
        world.decided.add(event["data"]["object"]["payment_intent"])
    elif kind == UNHANDLED:
        event["type"] = "customer.updated"
    outcome = _sent(world, kind, event)
    expected = ANSWERS.get(kind)
    is_refused = isinstance(outcome, CheckoutError) and outcome.status < 500
    if is_refused if expected else isinstance(outcome, str):
        raise Broken("an event gets the answer that it deserves", f"{kind}: {outcome!r}")
    # Where the answer of a commit was lost, the retry finds the event.
    if isinstance(outcome, str) and outcome not in (expected, "duplicate"):
        raise Broken("what is no payment to us is left alone", f"{kind}: {outcome!r}")


def complete(world: World, kind: str) -> None:
    """A session, in one of the ways that are no payment."""
    price = {"currency": "eur", "unit_amount": 500}
    asked = {"line_items": [{"price_data": price, "quantity": 1}], "metadata": _metadata(world)}
    session = world.account.create_session(asked)
    intent = f"pi_{world.tape.digits(64):016x}"
    fields = {"payment_intent": intent, "payment_status": "paid", **SESSIONS[kind]}
    oddities.complete(world.account, session["id"], **fields)
    # It is held until an operator has looked at it.
    world.decided.add(fields["payment_intent"] or session["id"])
    world.misleading.add(session["id"])
    world.say(f"{session['id']} is completed, {kind}")


def usurp(world: World) -> None:
    """Somebody who may write to the topic credits another user with a payment, perhaps before its own record
    does."""
    paid = [
        one
        for one in world.account.all("checkout.session", payment_status="paid")
        if world.account.made_with(one["id"])["checkout_app"] == APP_ID and one["id"] not in world.misleading
    ]
    if not paid or not world.swarm.terms.is_plain:
        return
    session, user_id = world.tape.pick(paid), world.tape.pick(USERS)
    if str(user_id) == session["metadata"]["user_id"]:
        return
    intent = session["payment_intent"]
    world.usurped.add((intent, user_id))
    record = {
        "request_id": session["metadata"]["request_id"],
        "user_id": user_id,
        "amount_cents": session["amount_total"],
        "currency": session["currency"],
        "status": "success",
        "timestamp": "2026-09-21T12:00:00Z",
        "payment_intent_id": intent,
    }
    world.topics[FINISHED].append(str(user_id), json.dumps(record).encode())
    world.say(f"somebody credits user {user_id} with {intent}")


def _metadata(world: World) -> dict[str, str]:
    return {
        "checkout_app": APP_ID,
        "request_id": f"misleading-{world.tape.digits(64):016x}",
        "user_id": str(world.tape.pick(USERS)),
        "purpose": TOP_UP,
    }


def _contradict(world: World) -> None:
    """What was reported as paid is reported as expired: nothing changes, and a person is called."""
    if not world.paid:
        return
    session = world.account.now(world.tape.pick(sorted(world.paid)))
    event = _event(world, session["metadata"])
    event["type"] = "checkout.session.expired"
    event["data"]["object"] = {**session, "status": "expired", "payment_status": "unpaid"}
    world.contradicted.add(session["id"])
    outcome = _sent(world, CONTRADICTED, event)
    said = world.metrics.about("PaymentContradicted", "session_id")
    if outcome == "applied" and session["id"] not in said and not world.has_release_before:
        raise Broken("a contradiction is announced", session["id"])


def _sent(world: World, kind: str, event: dict[str, Any]) -> Any:
    body, now = json.dumps(event).encode(), int(world.clock.epoch)
    moment = now + LATER if kind == FOR_LATER else now
    secret = "whsec_of_somebody_else" if kind == FORGED else SECRET
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    header = f"t={moment},v1={signed}"
    return world.run(f"webhook {kind}", lambda system: system.receive_webhook(body, header))


def _event(world: World, metadata: dict[str, str]) -> dict[str, Any]:
    number, now = f"{world.tape.digits(64):016x}", int(world.clock.epoch)
    return {
        "id": f"evt_{number}",
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": {
            "object": {
                "id": f"cs_test_{number}",
                "object": "checkout.session",
                "amount_total": 500,
                "currency": "eur",
                "expires_at": now + 3600,
                "livemode": False,
                "metadata": metadata,
                "mode": "payment",
                "payment_intent": f"pi_{number}",
                "payment_status": "paid",
                "status": "complete",
                "url": None,
            }
        },
        "livemode": False,
        "type": "checkout.session.completed",
    }
