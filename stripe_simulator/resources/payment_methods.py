"""Payment methods, a card or a bank debit: as an object, and as a charge's details."""

from dataclasses import dataclass

from stripe_simulator.ids import new_id, random_text
from stripe_simulator.resources.cards import Card
from stripe_simulator.storage.transaction import Json, Transaction

ADDRESS_FIELDS = ("city", "country", "line1", "line2", "postal_code", "state")


@dataclass(frozen=True)
class Payer:
    name: str
    email: str


def billing_details(payer: Payer) -> Json:
    address = dict.fromkeys(ADDRESS_FIELDS)
    return {"address": address, "email": payer.email, "name": payer.name, "phone": None, "tax_id": None}


def create_card(transaction: Transaction, card: Card, payer: Payer, exp_month: int, exp_year: int) -> Json:
    return _insert(transaction, payer, "card", {
        "brand": card.brand,
        "checks": _checks(),
        "country": "US",
        "display_brand": card.brand,
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": random_text(16),
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    })  # fmt: skip


def create_bank_debit(transaction: Transaction, kind: str, payer: Payer) -> Json:
    """`kind` is Stripe's name of the scheme: `sepa_debit`, `us_bank_account`, …"""
    return _insert(transaction, payer, kind, {
        "bank_code": "37040044",
        "branch_code": None,
        "country": "DE",
        "fingerprint": random_text(16),
        "generated_from": None,
        "last4": "3000",
    })  # fmt: skip


def charge_details(method: Json, amount: int) -> Json:
    """`payment_method_details` of a charge made with this payment method."""
    kind = method["type"]
    if kind != "card":
        return {"type": kind, kind: {**method[kind], "mandate": new_id("mandate")}}
    card = method["card"]
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    details = {
        **{name: card[name] for name in kept},
        "amount_authorized": amount,
        "authorization_code": random_text(6).upper(),
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": random_text(15),
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }
    return {"type": "card", "card": details}


def _insert(transaction: Transaction, payer: Payer, kind: str, details: Json) -> Json:
    method = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(payer),
        "created": transaction.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        kind: details,
    }
    transaction.insert(method)
    return method


def _checks() -> Json:
    return {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"}
