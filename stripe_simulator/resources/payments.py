"""The customer's actions on the hosted page, and their bank's later answer."""

from dataclasses import dataclass

from stripe_simulator.resources import charges, checkout_sessions, payment_intents, payment_methods
from stripe_simulator.resources.cards import Card, Decline
from stripe_simulator.resources.payment_methods import Payer
from stripe_simulator.storage.transaction import Json, Transaction

REFUSED_DEBIT = Decline("debit_not_authorized", "The customer's bank refused the debit.")


@dataclass(frozen=True)
class Completed:
    """The session is complete; `event_ids` are those of its events."""

    session: Json
    event_ids: list[str]


@dataclass(frozen=True)
class Declined:
    """The card was declined and the session stays open; the message is for the customer."""

    session: Json
    message: str


@dataclass(frozen=True)
class NotOpen:
    """The session was complete or expired already, so nothing happened."""

    session: Json


def pay_by_card(
    transaction: Transaction, session: Json, card: Card, payer: Payer, exp_month: int, exp_year: int
) -> Completed | Declined | NotOpen:
    if session["status"] != "open":
        return NotOpen(session)
    session, intent = payment_intents.of_session(transaction, session)
    method = payment_methods.create_card(transaction, card, payer, exp_month, exp_year)
    if card.decline:
        charge = charges.decline(transaction, intent, method, payer, card.decline)
        payment_intents.record_attempt(transaction, intent, charge)
        transaction.say(f"session declined {checkout_sessions.about(session)}: {card.decline.message}")
        return Declined(session, card.decline.message)
    charge = charges.succeed_at_once(transaction, intent, method, payer, card)
    payment_intents.record_attempt(transaction, intent, charge)
    return _completed(transaction, session, "paid", payer)


def complete_free(transaction: Transaction, session: Json, payer: Payer) -> Completed | NotOpen:
    """Complete a session of which nothing is left to pay. It has no payment intent: that of a declined card,
    tried before the code, is canceled."""
    if session["status"] != "open":
        return NotOpen(session)
    checkout_sessions.cancel_intent(transaction, session, "abandoned")
    return _completed(transaction, {**session, "payment_intent": None}, "no_payment_required", payer)


def pay_by_bank_debit(
    transaction: Transaction, session: Json, scheme: str, payer: Payer, *, settles: bool
) -> Completed | NotOpen:
    """Complete the session unpaid; the debit succeeds or fails after `debit_seconds`."""
    if session["status"] != "open":
        return NotOpen(session)
    session, intent = payment_intents.of_session(transaction, session)
    method = payment_methods.create_bank_debit(transaction, scheme, payer)
    charge = charges.begin(transaction, intent, method, payer)
    payment_intents.record_attempt(transaction, intent, charge)
    action = "settle_debit" if settles else "fail_debit"
    transaction.after(transaction.settings.debit_seconds, action, session["id"])
    return _completed(transaction, session, "unpaid", payer)


def settle_debit(transaction: Transaction, session_id: str) -> None:
    session, intent, charge = _debit(transaction, session_id)
    payment_intents.record_attempt(transaction, intent, charges.succeed(transaction, charge))
    checkout_sessions.settle(transaction, session, paid=True)


def fail_debit(transaction: Transaction, session_id: str) -> None:
    session, intent, charge = _debit(transaction, session_id)
    payment_intents.record_attempt(transaction, intent, charges.fail(transaction, charge, REFUSED_DEBIT))
    checkout_sessions.settle(transaction, session, paid=False)


def _completed(transaction: Transaction, session: Json, payment_status: str, payer: Payer) -> Completed:
    completed, event_ids = checkout_sessions.complete(
        transaction, session, payment_status=payment_status, payer=payer
    )
    return Completed(completed, event_ids)


def _debit(transaction: Transaction, session_id: str) -> tuple[Json, Json, Json]:
    session = transaction.get("checkout.session", session_id)
    intent = transaction.get("payment_intent", session["payment_intent"])
    return session, intent, transaction.get("charge", intent["latest_charge"])
