"""What can be read of payments: payment intents, charges, payment methods, balance transactions."""

from local.stripe_simulator.api import lists
from local.stripe_simulator.api.operations import Call, Operation, retrieval
from local.stripe_simulator.api.params import Declaration, currency, fields, text
from local.stripe_simulator.storage.transaction import Json, Transaction


def listing(kind: str, path: str, **filters: Declaration) -> Operation:
    """`GET path`, with filters that are top-level fields of the kind."""

    def run(transaction: Transaction, call: Call) -> Json:
        conditions = [lists.equals(name, call.params[name]) for name in filters if name in call.params]
        return lists.page(transaction, kind, call.url, dict(call.params), conditions)

    return Operation("GET", path, run, fields({**filters, **lists.CREATED, **lists.PAGE}))


OPERATIONS = (
    retrieval("payment_intent", "/payment_intents"),
    listing("payment_intent", "/payment_intents", customer=text()),
    retrieval("charge", "/charges"),
    listing("charge", "/charges", customer=text(), payment_intent=text(), transfer_group=text()),
    retrieval("payment_method", "/payment_methods"),
    retrieval("balance_transaction", "/balance_transactions"),
    listing(
        "balance_transaction",
        "/balance_transactions",
        currency=currency,
        source=text(),
        type=text(),
        payout=text(),
    ),
    retrieval("refund", "/refunds"),
    listing("refund", "/refunds", charge=text(), payment_intent=text()),
    retrieval("dispute", "/disputes"),
    listing("dispute", "/disputes", charge=text(), payment_intent=text()),
)
