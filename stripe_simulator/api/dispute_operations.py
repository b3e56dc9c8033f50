"""/v1/disputes"""

from stripe_simulator.api.errors import StripeError
from stripe_simulator.api.operations import EXPAND, Call, Operation, listing, named, retrieval
from stripe_simulator.api.params import boolean, fields, metadata, text
from stripe_simulator.resources import disputes
from stripe_simulator.storage.transaction import Json, Transaction

PATH = "/disputes"
_UPDATE = fields(
    {
        "evidence": fields({name: text(20_000) for name in disputes.EVIDENCE}),
        "metadata": metadata,
        "submit": boolean,
        **EXPAND,
    }
)


def update(transaction: Transaction, call: Call) -> Json:
    return disputes.submit_evidence(transaction, _open(transaction, call), dict(call.params))


def close(transaction: Transaction, call: Call) -> Json:
    return disputes.close(transaction, _open(transaction, call))


OPERATIONS = (
    listing("dispute", PATH, charge=text(), payment_intent=text()),
    retrieval("dispute", PATH),
    Operation("POST", f"{PATH}/{{id}}", update, _UPDATE),
    Operation("POST", f"{PATH}/{{id}}/close", close),
)


def _open(transaction: Transaction, call: Call) -> Json:
    dispute = named(transaction, "dispute", call)
    if dispute["status"] not in disputes.OPEN:
        raise StripeError(f"This dispute is already closed: its status is {dispute['status']}.")
    return dispute
