"""Charges: one for each attempt to take money; refunds and disputes belong to them."""

from stripe_simulator.ids import new_id, random_text
from stripe_simulator.resources import balance_transactions, payment_methods
from stripe_simulator.resources.cards import Card, Decline
from stripe_simulator.resources.events import emit
from stripe_simulator.resources.payment_methods import Payer
from stripe_simulator.storage.transaction import Json, Transaction

UNUSED = (
    *("application", "application_fee", "application_fee_amount", "customer", "on_behalf_of"),
    *("receipt_number", "review", "shipping", "source", "source_transfer", "statement_descriptor"),
    *("statement_descriptor_suffix", "transfer_data", "transfer_group"),
)
"""Fields of features that the simulator does not have, which are null."""


def succeed_at_once(transaction: Transaction, intent: Json, method: Json, payer: Payer, card: Card) -> Json:
    charge = _new(transaction, intent, method, payer)
    disputed = card.disputed.value if card.disputed else None
    transaction.insert(charge, {"refunds": card.refunds.value, "disputed": disputed})
    if disputed:
        transaction.after(transaction.settings.dispute_seconds, "open_dispute", charge["id"])
    if card.is_suspected:
        transaction.after(transaction.settings.dispute_seconds, "warn_of_fraud", charge["id"])
    return succeed(transaction, charge)


def begin(transaction: Transaction, intent: Json, method: Json, payer: Payer) -> Json:
    """A bank debit that the customer's bank has not answered yet."""
    charge = _new(transaction, intent, method, payer)
    transaction.insert(charge)
    emit(transaction, "charge.pending", charge)
    return charge


def decline(transaction: Transaction, intent: Json, method: Json, payer: Payer, refusal: Decline) -> Json:
    charge = _new(transaction, intent, method, payer)
    transaction.insert(charge)
    return fail(transaction, charge, refusal)


def succeed(transaction: Transaction, charge: Json) -> Json:
    """Book the money that has arrived with Stripe's fee, and record the event."""
    card = charge["payment_method_details"]["type"] == "card"
    booked = balance_transactions.record(
        transaction,
        kind="charge" if card else "payment",
        category="charge",
        source=charge["id"],
        amount=charge["amount"],
        currency=charge["currency"],
        fee=balance_transactions.card_fee(charge["amount"]) if card else balance_transactions.DEBIT_FEE,
        description=charge["description"],
    )
    succeeded = {
        **charge,
        "amount_captured": charge["amount"],
        "balance_transaction": booked["id"],
        "captured": True,
        "outcome": _outcome("approved_by_network", None, "Payment complete.", "authorized"),
        "paid": True,
        "receipt_url": f"{transaction.settings.public_url}/receipts/{random_text(32)}",
        "status": "succeeded",
    }
    transaction.update(succeeded)
    emit(transaction, "charge.succeeded", succeeded)
    return succeeded


def fail(transaction: Transaction, charge: Json, refusal: Decline) -> Json:
    reason = refusal.decline_code or refusal.code
    failed = {
        **charge,
        "failure_code": refusal.code,
        "failure_message": refusal.message,
        "outcome": _outcome("declined_by_network", reason, refusal.message, "issuer_declined"),
        "paid": False,
        "status": "failed",
    }
    transaction.update(failed)
    emit(transaction, "charge.failed", failed)
    return failed


def _outcome(network_status: str, reason: str | None, seller_message: str, kind: str) -> Json:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": reason,
        "risk_level": "normal",
        "seller_message": seller_message,
        "type": kind,
    }


def _new(transaction: Transaction, intent: Json, method: Json, payer: Payer) -> Json:
    charge_id = new_id("ch" if method["type"] == "card" else "py")
    return {
        **dict.fromkeys(UNUSED),
        "id": charge_id,
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": payment_methods.billing_details(payer),
        "calculated_statement_descriptor": "SIMULATOR",
        "captured": False,
        "created": transaction.now,
        "currency": intent["currency"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": None,
        "paid": False,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": payment_methods.charge_details(method, intent["amount"]),
        "receipt_email": intent["receipt_email"],
        "receipt_url": None,
        "refunded": False,
        "refunds": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/charges/{charge_id}/refunds",
        },
        "status": "pending",
    }
