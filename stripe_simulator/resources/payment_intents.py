"""Payment intents of Checkout Sessions, created at the first attempt and kept for all later ones."""

from stripe_simulator.ids import new_id, random_text
from stripe_simulator.resources import checkout_sessions, metadata
from stripe_simulator.resources.events import emit
from stripe_simulator.storage.transaction import Json, Transaction

UNUSED = (
    *("application", "application_fee_amount", "automatic_payment_methods", "customer", "customer_account"),
    *("excluded_payment_method_types", "next_action", "on_behalf_of", "processing", "review"),
    *("setup_future_usage", "shipping", "source", "transfer_data"),
)
"""Fields of features that the simulator does not have, which are null."""


def of_session(transaction: Transaction, session: Json) -> tuple[Json, Json]:
    """The session and its payment intent, which is created at the customer's first attempt."""
    if session["payment_intent"]:
        known = transaction.get("payment_intent", session["payment_intent"])
        return session, {**known, "amount": session["amount_total"]}  # A code can follow a declined card.
    intent = _new(transaction, session)
    transaction.insert(intent)
    attached = {**session, "payment_intent": intent["id"]}
    transaction.update(attached)
    emit(transaction, "payment_intent.created", intent)
    return attached, intent


def record_attempt(transaction: Transaction, intent: Json, charge: Json) -> Json:
    """Update the intent from its latest charge, and record the event."""
    changes: Json
    match charge["status"]:
        case "succeeded":
            event = "payment_intent.succeeded"
            changes = {"status": "succeeded", "amount_received": charge["amount"], "last_payment_error": None}
        case "pending":
            event = "payment_intent.processing"
            changes = {"status": "processing", "last_payment_error": None}
        case _:
            event = "payment_intent.payment_failed"
            changes = {"status": "requires_payment_method", "last_payment_error": _error(charge)}
    method = None if charge["status"] == "failed" else charge["payment_method"]
    moved = {**intent, **changes, "latest_charge": charge["id"], "payment_method": method}
    transaction.update(moved)
    emit(transaction, event, moved)
    return moved


def _error(charge: Json) -> Json:
    return {
        "charge": charge["id"],
        "code": charge["failure_code"],
        "decline_code": charge["outcome"]["reason"] if charge["failure_code"] == "card_declined" else None,
        "message": charge["failure_message"],
        "type": "card_error" if charge["failure_code"] != "debit_not_authorized" else "invalid_request_error",
    }


def _new(transaction: Transaction, session: Json) -> Json:
    data = checkout_sessions.payment_intent_data(transaction, session["id"])
    intent_id = new_id("pi")
    return {
        **dict.fromkeys(UNUSED),
        "id": intent_id,
        "object": "payment_intent",
        "amount": session["amount_total"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{intent_id}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": transaction.now,
        "currency": session["currency"],
        "description": data.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": metadata.initial(data.get("metadata")),
        "payment_method": None,
        "payment_method_configuration_details": session["payment_method_configuration_details"],
        "payment_method_options": {},
        "payment_method_types": session["payment_method_types"],
        "receipt_email": data.get("receipt_email"),
        "statement_descriptor": data.get("statement_descriptor"),
        "statement_descriptor_suffix": data.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_group": data.get("transfer_group"),
    }
