"""Refunds of charges, which succeed at once or later, or fail."""

from typing import Any

from stripe_simulator import money
from stripe_simulator.ids import new_id
from stripe_simulator.resources import balance_transactions
from stripe_simulator.resources.cards import RefundCourse
from stripe_simulator.resources.events import emit
from stripe_simulator.resources.metadata import initial, merged
from stripe_simulator.storage.transaction import Json, Transaction

INSTRUCTIONS_VALID_SECONDS = 45 * 24 * 3600
_TAKEN = ("pending", "succeeded")
_RESERVED = (*_TAKEN, "requires_action")


def unrefunded(transaction: Transaction, charge: Json) -> int:
    """The largest new refund of this charge: refunds that may still succeed count as refunded."""
    refunds = of_charge(transaction, charge)
    left: int = charge["amount"] - sum(one["amount"] for one in refunds if one["status"] in _RESERVED)
    return left


def of_charge(transaction: Transaction, charge: Json) -> list[Json]:
    """The charge's refunds, oldest first."""
    return transaction.all("refund", "charge", charge["id"])


def create(transaction: Transaction, charge: Json, amount: int, params: dict[str, Any]) -> Json:
    """Refund part of a charge (`reason`, `metadata`, `instructions_email`); the card decides the course.

    With `instructions_email` it waits for the customer (`requires_action`), as Stripe's refunds do if the
    payment method has no refunds.
    """
    course = RefundCourse(transaction.private(charge["id"]).get("refunds", RefundCourse.SUCCEEDS.value))
    refund = _new(transaction, charge, amount, params)
    if "instructions_email" in params:
        refund |= _waiting_for_customer(transaction, params["instructions_email"])
    elif course is RefundCourse.PENDING_THEN_SUCCEEDS:
        refund |= {"status": "pending", "pending_reason": "processing"}
        transaction.after(transaction.settings.refund_seconds, "succeed_refund", refund["id"])
    elif course is RefundCourse.SUCCEEDS_THEN_FAILS:
        transaction.after(transaction.settings.refund_seconds, "fail_refund", refund["id"])
    transaction.insert(refund)
    if refund["status"] in _TAKEN:
        refund["balance_transaction"] = _book(transaction, refund, -amount, "refund")
        transaction.update(refund)
    emit(transaction, "refund.created", refund)
    if refund["status"] in _TAKEN:
        emit(transaction, "charge.refunded", _recount(transaction, charge))
    _say(transaction, refund)
    return refund


def succeed(transaction: Transaction, refund_id: str) -> None:
    """Complete a pending refund."""
    refund = transaction.get("refund", refund_id)
    changed = {name: value for name, value in refund.items() if name != "pending_reason"}
    _move(transaction, refund, {**changed, "status": "succeeded"})


def fail(transaction: Transaction, refund_id: str) -> None:
    """Return the money to the account, since the customer's bank has sent it back."""
    refund = transaction.get("refund", refund_id)
    returned = _book(transaction, refund, refund["amount"], "refund_failure")
    failed = {
        **refund,
        "status": "failed",
        "failure_balance_transaction": returned,
        "failure_reason": "expired_or_canceled_card",
    }
    _move(transaction, refund, failed)
    emit(transaction, "refund.failed", failed)


def cancel(transaction: Transaction, refund: Json) -> Json:
    """Cancel a refund that waits for the customer; no money was taken for it."""
    canceled = {**refund, "status": "canceled", "next_action": None}
    _move(transaction, refund, canceled)
    return canceled


def change_metadata(transaction: Transaction, refund: Json, change: dict[str, str] | None) -> Json:
    changed = {**refund, "metadata": merged(refund["metadata"], change)}
    _move(transaction, refund, changed)
    return changed


def _move(transaction: Transaction, before: Json, after: Json) -> None:
    transaction.update(after)
    _recount(transaction, transaction.get("charge", after["charge"]))
    previous = {name: value for name, value in before.items() if after.get(name) != value}
    for kind in ("refund.updated", "charge.refund.updated"):
        emit(transaction, kind, after, previous)
    _say(transaction, after)


def _recount(transaction: Transaction, charge: Json) -> Json:
    """Update the charge with the sum of its refunds."""
    refunds = of_charge(transaction, charge)
    taken = sum(refund["amount"] for refund in refunds if refund["status"] in _TAKEN)
    recounted = {
        **charge,
        "amount_refunded": taken,
        "refunded": taken == charge["amount"],
        "refunds": {**charge["refunds"], "data": refunds[::-1]},
    }
    transaction.update(recounted)
    return recounted


def _book(transaction: Transaction, refund: Json, amount: int, category: str) -> str:
    card = refund["charge"].startswith("ch_")
    others = {"refund": "payment_refund", "refund_failure": "payment_failure_refund"}
    booked = balance_transactions.record(
        transaction,
        kind=category if card else others[category],
        category=category,
        source=refund["id"],
        amount=amount,
        currency=refund["currency"],
        description=category.replace("_", " ").upper(),
    )
    booked_id: str = booked["id"]
    return booked_id


def _new(transaction: Transaction, charge: Json, amount: int, params: dict[str, Any]) -> Json:
    method = charge["payment_method_details"]["type"]
    details = {"reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund"}
    return {
        "id": new_id("re" if method == "card" else "pyr"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": transaction.now,
        "currency": charge["currency"],
        "customer": None,
        "customer_account": None,
        "destination_details": {"type": method, method: details if method == "card" else {}},
        "metadata": initial(params.get("metadata")),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def _waiting_for_customer(transaction: Transaction, email: str) -> Json:
    sent = {"email_sent_at": transaction.now, "email_sent_to": email}
    details = {"email_sent": sent, "expires_at": transaction.now + INSTRUCTIONS_VALID_SECONDS}
    return {
        "status": "requires_action",
        "instructions_email": email,
        "next_action": {"type": "display_details", "display_details": details},
    }


def _say(transaction: Transaction, refund: Json) -> None:
    amount = money.display(refund["amount"], refund["currency"])
    transaction.say(f"refund {refund['status']} {refund['id']} {amount} of {refund['payment_intent']}")
