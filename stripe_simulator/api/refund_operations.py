"""/v1/refunds"""

from stripe_simulator import money
from stripe_simulator.api import lists
from stripe_simulator.api.errors import InvalidParameter, NotFound, StripeError
from stripe_simulator.api.operations import EXPAND, Call, Operation, listing, named, retrieval
from stripe_simulator.api.params import check_step, choice, fields, integer, metadata, text
from stripe_simulator.resources import refunds
from stripe_simulator.storage.transaction import Json, Transaction

PATH = "/refunds"
_CREATE = fields(
    {
        "charge": text(),
        "payment_intent": text(),
        "amount": integer(least=1),
        "reason": choice("duplicate", "fraudulent", "requested_by_customer"),
        "instructions_email": text(800),
        "metadata": metadata,
        **EXPAND,
    }
)


def create(transaction: Transaction, call: Call) -> Json:
    charge = _charge(transaction, call)
    left = refunds.unrefunded(transaction, charge)
    amount: int = call.params.get("amount", left)
    check_step(amount, charge["currency"], "amount")
    _check_refundable(transaction, charge, amount, left)
    return refunds.create(transaction, charge, amount, dict(call.params))


def update(transaction: Transaction, call: Call) -> Json:
    refund = named(transaction, "refund", call)
    if "metadata" not in call.params:
        return refund
    return refunds.change_metadata(transaction, refund, call.params["metadata"])


def cancel(transaction: Transaction, call: Call) -> Json:
    refund = named(transaction, "refund", call)
    if refund["status"] != "requires_action":
        raise StripeError(
            f"This refund cannot be canceled because it has a status of {refund['status']}. "
            "Only refunds with a status of requires_action can be canceled."
        )
    return refunds.cancel(transaction, refund)


def list_of_charge(transaction: Transaction, call: Call) -> Json:
    charge = named(transaction, "charge", call)
    ours = [lists.equals("charge", charge["id"])]
    return lists.page(transaction, "refund", call.url, dict(call.params), ours)


OPERATIONS = (
    Operation("POST", PATH, create, _CREATE),
    listing("refund", PATH, charge=text(), payment_intent=text()),
    retrieval("refund", PATH),
    Operation("POST", f"{PATH}/{{id}}", update, fields({"metadata": metadata, **EXPAND})),
    Operation("POST", f"{PATH}/{{id}}/cancel", cancel),
    Operation("GET", "/charges/{id}/refunds", list_of_charge, fields({**lists.CREATED, **lists.PAGE})),
)


def _charge(transaction: Transaction, call: Call) -> Json:
    """The charge to refund, which is named directly or by its payment intent."""
    if "charge" in call.params:
        charge_id = call.params["charge"]
    elif "payment_intent" in call.params:
        intent = transaction.find("payment_intent", call.params["payment_intent"])
        if intent is None:
            raise NotFound("payment_intent", call.params["payment_intent"], "payment_intent")
        if intent["latest_charge"] is None:
            raise StripeError(f"PaymentIntent {intent['id']} does not have a successful charge to refund.")
        charge_id = intent["latest_charge"]
    else:
        raise InvalidParameter(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    charge = transaction.find("charge", charge_id)
    if charge is None:
        raise NotFound("charge", charge_id, "charge")
    if call.params.get("payment_intent", charge["payment_intent"]) != charge["payment_intent"]:
        raise StripeError("The charge does not belong to the payment_intent.", param="charge")
    return charge


def _check_refundable(transaction: Transaction, charge: Json, amount: int, left: int) -> None:
    if charge["status"] != "succeeded":
        raise StripeError(f"Charge {charge['id']} has not succeeded and cannot be refunded.")
    if any(
        not dispute["is_charge_refundable"] for dispute in transaction.all("dispute", "charge", charge["id"])
    ):
        raise StripeError(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed"
        )
    if left == 0:
        raise StripeError(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if amount > left:
        wanted, possible = (money.display(value, charge["currency"]) for value in (amount, left))
        raise StripeError(
            f"Refund amount ({wanted}) is greater than unrefunded amount on charge ({possible})",
            param="amount",
        )
