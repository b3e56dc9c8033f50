"""/v1/payment_intents, charges, payment_methods and balance_transactions: reading a payment."""

from stripe_simulator.api.operations import listing, retrieval
from stripe_simulator.api.params import currency, text

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
        payout=text(),
        source=text(),
        type=text(),
    ),
)
