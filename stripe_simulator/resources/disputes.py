"""Disputes: a customer's bank takes a payment back, and gives it back if the evidence convinces it.

An inquiry is only a question: no money moves unless it is escalated.
"""

from typing import Any

from stripe_simulator import money
from stripe_simulator.ids import new_id
from stripe_simulator.resources import balance_transactions
from stripe_simulator.resources.cards import Disputed
from stripe_simulator.resources.events import emit
from stripe_simulator.resources.metadata import merged
from stripe_simulator.storage.transaction import Json, Transaction

RESPONSE_SECONDS = 9 * 24 * 3600
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)
# The verdict of Stripe's test mode by `uncategorized_text`; any other text stays under review.
_VERDICTS = {
    "winning_evidence": "win_dispute",
    "losing_evidence": "lose_dispute",
    "escalate_inquiry_evidence": "escalate_inquiry",
}
_NETWORK_REASONS = {Disputed.FRAUDULENT: "10.4", Disputed.NOT_RECEIVED: "13.1", Disputed.INQUIRY: "13.3"}


def open_dispute(transaction: Transaction, charge_id: str) -> None:
    charge = transaction.get("charge", charge_id)
    disputed = Disputed(transaction.private(charge_id)["disputed"])
    dispute = _new(transaction, charge, disputed)
    transaction.insert(dispute)
    transaction.update({**charge, "disputed": True})
    emit(transaction, "charge.dispute.created", dispute)
    _say(transaction, dispute)
    if disputed is not Disputed.INQUIRY:
        _withdraw(transaction, dispute)


def submit_evidence(transaction: Transaction, dispute: Json, params: dict[str, Any]) -> Json:
    """Store `evidence` and `metadata`, and submit the evidence unless `submit` is false."""
    evidence = {**dispute["evidence"], **params.get("evidence", {})}
    changed = {**dispute, "evidence": evidence}
    if "metadata" in params:
        changed["metadata"] = merged(dispute["metadata"], params["metadata"])
    details = {**dispute["evidence_details"], "has_evidence": any(evidence[name] for name in EVIDENCE)}
    if "evidence" in params and params.get("submit", True):
        details["submission_count"] += 1
        inquiry = dispute["status"].startswith("warning_")
        changed["status"] = "warning_under_review" if inquiry else "under_review"
        if verdict := _VERDICTS.get(evidence["uncategorized_text"]):
            transaction.after(transaction.settings.dispute_seconds, verdict, dispute["id"])
    changed["evidence_details"] = details
    _change(transaction, dispute, changed, "charge.dispute.updated")
    return changed


def close(transaction: Transaction, dispute: Json) -> Json:
    """Accept the dispute, which is then lost. An inquiry just ends."""
    inquiry = dispute["status"].startswith("warning_")
    closed = {**dispute, "status": "warning_closed" if inquiry else "lost"}
    _change(transaction, dispute, closed, "charge.dispute.closed")
    return closed


def lose(transaction: Transaction, dispute_id: str) -> None:
    dispute = transaction.get("dispute", dispute_id)
    if dispute["status"] in OPEN:
        close(transaction, dispute)


def win(transaction: Transaction, dispute_id: str) -> None:
    """The account gets its money back, of which an inquiry has taken none."""
    dispute = transaction.get("dispute", dispute_id)
    if dispute["status"] not in OPEN:
        return
    if dispute["status"].startswith("warning_"):
        close(transaction, dispute)
        return
    won = _book(transaction, dispute, dispute["amount"], "dispute_reversal", fee=0)
    won = {**won, "status": "won", "is_charge_refundable": True}
    _change(transaction, dispute, won, "charge.dispute.closed")
    emit(transaction, "charge.dispute.funds_reinstated", won)


def escalate(transaction: Transaction, dispute_id: str) -> None:
    """Turn the inquiry into a chargeback, which takes the money."""
    dispute = transaction.get("dispute", dispute_id)
    if not dispute["status"].startswith("warning_") or dispute["status"] not in OPEN:
        return
    details = {
        "type": "card",
        "card": {**dispute["payment_method_details"]["card"], "case_type": "chargeback"},
    }
    escalated = {
        **dispute,
        "is_charge_refundable": False,
        "payment_method_details": details,
        "status": "needs_response",
    }
    _change(transaction, dispute, escalated, "charge.dispute.updated")
    _withdraw(transaction, escalated)


def _withdraw(transaction: Transaction, dispute: Json) -> None:
    withdrawn = _book(
        transaction, dispute, -dispute["amount"], "dispute", fee=balance_transactions.DISPUTE_FEE
    )
    transaction.update(withdrawn)
    emit(transaction, "charge.dispute.funds_withdrawn", withdrawn)


def _book(transaction: Transaction, dispute: Json, amount: int, category: str, *, fee: int) -> Json:
    booked = balance_transactions.record(
        transaction,
        kind="adjustment",
        category=category,
        source=dispute["id"],
        amount=amount,
        currency=dispute["currency"],
        fee=fee,
        description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}",
    )
    return {**dispute, "balance_transactions": [*dispute["balance_transactions"], booked]}


def _change(transaction: Transaction, before: Json, after: Json, kind: str) -> None:
    transaction.update(after)
    previous = {name: value for name, value in before.items() if after[name] != value}
    emit(transaction, kind, after, previous)
    _say(transaction, after)


def _say(transaction: Transaction, dispute: Json) -> None:
    amount = money.display(dispute["amount"], dispute["currency"])
    transaction.say(f"dispute {dispute['status']} {dispute['id']} {amount} of {dispute['payment_intent']}")


def _new(transaction: Transaction, charge: Json, disputed: Disputed) -> Json:
    inquiry = disputed is Disputed.INQUIRY
    brand = charge["payment_method_details"]["card"]["brand"]
    return {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": transaction.now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": transaction.now + RESPONSE_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": brand,
                "case_type": "inquiry" if inquiry else "chargeback",
                "network": brand,
                "network_reason_code": _NETWORK_REASONS[disputed],
            },
        },
        "reason": "general" if inquiry else disputed.value,
        "status": "warning_needs_response" if inquiry else "needs_response",
    }
