"""Early fraud warnings: the card's issuer suspects a charge."""

from stripe_simulator.ids import new_id
from stripe_simulator.resources.events import emit
from stripe_simulator.storage.transaction import Transaction

KIND = "radar.early_fraud_warning"


def warn(transaction: Transaction, charge_id: str) -> None:
    """Actionable, unless all of the charge was refunded by now."""
    charge = transaction.get("charge", charge_id)
    warning = {
        "id": new_id("issfr"),
        "object": KIND,
        "actionable": not charge["refunded"],
        "charge": charge_id,
        "created": transaction.now,
        "fraud_type": "misc",
        "livemode": False,
        "payment_intent": charge["payment_intent"],
    }
    transaction.insert(warning)
    emit(transaction, f"{KIND}.created", warning)
    transaction.say(f"early fraud warning {warning['id']} of {warning['payment_intent']}")
