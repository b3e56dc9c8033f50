"""`python -m local trouble CASE`: breaks the running stack so that one payment is not credited, for practice
with the operators' console.

Each step finds out whether it was done, and the payment of a case is kept in the data's folder until it is
credited. So a case that was interrupted, or is asked for twice, is prepared once.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from checkout.base.user_ids import UserId
from local.stack.description import Description
from local.stack.settings import write_privately
from local.trouble_steps import Payment, Trouble, TroubleError
from local.waiting import until

MOST_REFUNDED_CENTS = 200
CONSUMER = "checkout_finished_consumer"
RECONCILER = "reconciler"
OLD_VERSION = "2020-08-27"
"""Of Stripe's API: an event of another version than ours is not believed, and Stripe is asked."""

_SEEN_SECONDS = 30.0


# The cases: how each one's payment begins, and what then befalls it


def new_user(trouble: Trouble, user_id_type: str) -> UserId:
    made = uuid.uuid4()
    user_id: UserId = made.int >> 84 if user_id_type == "bigint" else str(made)
    trouble.operate("add-user", f"--user={user_id}", "--email=trouble@example.com")
    return user_id


def broker_away(trouble: Trouble, payment: Payment) -> None:
    trouble.switch("Kafka broker", "stop", "stopped")
    trouble.pay(payment)
    _await(lambda: trouble.is_in_checkout("SELECT FROM outbox WHERE effect_key = %s", payment.effect_key))


def parked_unknown_user(trouble: Trouble, payment: Payment) -> None:
    trouble.delete_user(payment.user_id)
    trouble.pay(payment)
    parked = "SELECT FROM parked_events WHERE effect_key = %s"
    _await(lambda: trouble.is_in_application(parked, payment.effect_key))


def held_event(trouble: Trouble, payment: Payment) -> None:
    # Between the payment and the event it would read from Stripe what is to be held.
    is_switched_off = trouble.switch(RECONCILER, "stop", "stopped")
    trouble.pay_unreported(payment)
    path = f"/v1/checkout/sessions/{payment.session_id}"
    events = trouble.stripe("GET", "/v1/events", params={"type": "checkout.session.completed", "limit": 100})
    event = next(one for one in events["data"] if one["data"]["object"]["id"] == payment.session_id)
    stored = "SELECT FROM stripe_events WHERE event_id = %s"
    if not trouble.is_in_checkout(stored, event["id"]):
        trouble.stripe("DELETE", "/_simulator/faults")
        trouble.stripe(
            "POST", "/_simulator/faults", json={"path_prefix": path, "method": "GET", "status": 400}
        )
        trouble.deliver({**event, "api_version": OLD_VERSION})
    _await(lambda: trouble.is_in_checkout(f"{stored} AND outcome = 'held'", event["id"]))
    if is_switched_off:
        trouble.switch(RECONCILER, "start", "running")


def waiting_refund(trouble: Trouble, payment: Payment) -> None:
    # On this machine it runs every few seconds, and would mend the case.
    trouble.switch(RECONCILER, "stop", "stopped")
    trouble.pay_unreported(payment)
    session = trouble.stripe("GET", f"/v1/checkout/sessions/{payment.session_id}")
    intent = session["payment_intent"]
    wanted = {"payment_intent": intent, "amount": min(session["amount_total"], MOST_REFUNDED_CENTS)}
    once = {"idempotency-key": f"trouble:{payment.request_id}"}
    trouble.stripe("POST", "/v1/refunds", data=wanted, headers=once)
    waiting = "SELECT FROM stripe_events WHERE payment_intent_id = %s AND outcome = 'waiting'"
    _await(lambda: trouble.is_in_checkout(waiting, intent))


def database_away(trouble: Trouble, payment: Payment) -> None:
    trouble.switch("PostgreSQL", "stop", "stopped")
    trouble.pay(payment)


def function_killed(trouble: Trouble, payment: Payment) -> None:
    trouble.switch(CONSUMER, "stop", "stopped")
    trouble.pay(payment)
    paid = "SELECT FROM checkout_transactions WHERE request_id = %s AND status = 'payment_succeeded'"
    _await(lambda: trouble.is_in_checkout(paid, payment.request_id))


@dataclass(frozen=True)
class Case:
    """`look` says what to look for in the console, and nothing of the remedy."""

    look: str
    prepare: Callable[[Trouble, Payment], None]


CASES = {
    "broker-away": Case("It is paid. How far has it come, and what keeps it there?", broker_away),
    "parked-unknown-user": Case("What has become of its record, and for what reason?", parked_unknown_user),
    "held-event": Case("What has Stripe reported of it, and why was that not applied?", held_event),
    "waiting-refund": Case("A refund of it waits. For what, and who should fetch that?", waiting_refund),
    "database-away": Case(
        "What does the console know of it, and what does it say is missing?", database_away
    ),
    "function-killed": Case("It is published, and not entered. Who should have entered it?", function_killed),
}


def prepare(name: str, stack: Description, data: Path, say: Callable[[str], None]) -> None:
    """Prepare the case and say whose payment it is. Raises TroubleError and DemoError."""
    say(f"Preparing {name} …")
    trouble, kept = Trouble(stack), data / f"trouble-{name}.json"
    payment = _kept(kept)
    if payment is None or trouble.is_credited(payment):
        is_unknown = name == "parked-unknown-user"
        payment = trouble.begin(new_user(trouble, stack.user_id_type) if is_unknown else None)
        write_privately(kept, json.dumps(asdict(payment)))
    CASES[name].prepare(trouble, payment)
    say(
        f"Payment {payment.request_id} of user {payment.user_id} is paid, and not credited.\n"
        f"Find out why, and mend it, in the console alone: {stack.console_url}\n{CASES[name].look}"
    )


def _kept(path: Path) -> Payment | None:
    return Payment(**json.loads(path.read_text())) if path.exists() else None


def _await(is_seen: Callable[[], bool]) -> None:
    if not until(is_seen, _SEEN_SECONDS, 0.1):
        raise TroubleError("the stack has not done what was expected: is another case still prepared?")
