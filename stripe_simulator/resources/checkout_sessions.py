"""Checkout Sessions in `payment` mode: made by the API, ended by the customer, by `expire` or by time."""

from typing import Any

from stripe_simulator import money
from stripe_simulator.ids import new_id, random_text
from stripe_simulator.resources import coupons, metadata, payment_methods, pricing, totals
from stripe_simulator.resources.events import emit
from stripe_simulator.resources.line_items import new_line_items
from stripe_simulator.storage.transaction import Json, Transaction

SHORTEST_SECONDS = 30 * 60
LONGEST_SECONDS = 24 * 3600
BANK_DEBITS = {
    "aud": "au_becs_debit",
    "cad": "acss_debit",
    "eur": "sepa_debit",
    "gbp": "bacs_debit",
    "usd": "us_bank_account",
}


UNUSED = (
    *("after_expiration", "client_secret", "consent", "currency_conversion", "customer", "customer_account"),
    *("integration_identifier", "invoice", "origin_context", "payment_link", "permissions"),
    *("recovered_from", "saved_payment_method_options", "setup_intent", "shipping_address_collection"),
    *("shipping_cost", "subscription", "wallet_options"),
)
"""Fields of features that the simulator does not have, which are null."""

KEPT = (
    *("allow_promotion_codes", "billing_address_collection", "cancel_url", "client_reference_id"),
    *("consent_collection", "customer_email", "locale", "submit_type", "success_url"),
)
"""Fields that are what the session was asked for, or null."""


def create(transaction: Transaction, params: dict[str, Any]) -> Json:
    """Open a session from validated parameters."""
    items = new_line_items(transaction.now, params["line_items"])
    currency: str = items[0]["currency"]
    session_id = new_id("cs_test", 58)
    expires_at = params.get("expires_at", transaction.now + LONGEST_SECONDS)
    session = {
        **_nothing_special(params),
        **{name: params.get(name) for name in KEPT},
        **totals.of(items),
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": params.get("adaptive_pricing", {}).get("enabled", True)},
        "created": transaction.now,
        "currency": currency,
        "expires_at": expires_at,
        "livemode": False,
        "metadata": metadata.initial(params.get("metadata")),
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": params.get("payment_method_types", default_methods(currency)),
        "payment_status": "unpaid",
        "status": "open",
        "ui_mode": "hosted_page",
        "url": f"{transaction.settings.public_url}/c/pay/{session_id}",
    }
    descriptions = [item["price_data"]["product_data"].get("description") for item in params["line_items"]]
    transaction.insert(
        session,
        {
            "line_items": items,
            "product_descriptions": descriptions,
            "payment_intent_data": params.get("payment_intent_data", {}),
        },
    )
    if params.get("discounts"):
        session = pricing.discount_asked(transaction, session, params["discounts"][0])
    transaction.after(expires_at - transaction.time, "expire_session", session_id)
    transaction.say(f"session created {about(session)}")
    return session


def default_methods(currency: str) -> list[str]:
    """The default payment methods of a session: cards, and the currency's bank debit."""
    debit = BANK_DEBITS.get(currency)
    return ["card", debit] if debit else ["card"]


def line_items(transaction: Transaction, session_id: str) -> list[Json]:
    items: list[Json] = transaction.private(session_id)["line_items"]
    return items


def shown_items(transaction: Transaction, session_id: str) -> list[Json]:
    """The line items for the hosted page, each with its `product_description`, a text or None."""
    private = transaction.private(session_id)
    items: list[Json] = private["line_items"]
    descriptions = private.get("product_descriptions") or [None] * len(items)
    return [{**item, "product_description": text} for item, text in zip(items, descriptions, strict=True)]


def payment_intent_data(transaction: Transaction, session_id: str) -> Json:
    """The payment intent's fields that the session was created with: `metadata`, `description`."""
    data: Json = transaction.private(session_id)["payment_intent_data"]
    return data


def expire(transaction: Transaction, session: Json) -> Json:
    """Expire an open session, and cancel the payment intent of its declined attempt."""
    cancel_intent(transaction, session, "expired")
    expired = {**session, "status": "expired", "url": None}
    transaction.update(expired)
    emit(transaction, "checkout.session.expired", expired)
    transaction.say(f"session expired {about(expired)}")
    return expired


def cancel_intent(transaction: Transaction, session: Json, reason: str) -> None:
    """Cancel the payment intent of a declined attempt, if there is one."""
    if session["payment_intent"]:
        intent = transaction.get("payment_intent", session["payment_intent"])
        canceled = {
            **intent,
            "status": "canceled",
            "canceled_at": transaction.now,
            "cancellation_reason": reason,
        }
        transaction.update(canceled)
        emit(transaction, "payment_intent.canceled", canceled)


def expire_when_due(transaction: Transaction, session_id: str) -> None:
    session = transaction.get("checkout.session", session_id)
    if session["status"] == "open":
        expire(transaction, session)


def complete(
    transaction: Transaction, session: Json, *, payment_status: str, payer: payment_methods.Payer
) -> tuple[Json, list[str]]:
    """Complete the session that the customer has submitted; returns it with the ids of its event(s)."""
    completed = {
        **session,
        "customer_details": {
            "address": {**dict.fromkeys(payment_methods.ADDRESS_FIELDS), "country": "DE"},
            "business_name": None,
            "email": payer.email,
            "individual_name": None,
            "name": payer.name,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": [],
        },
        "payment_status": payment_status,
        "status": "complete",
        "url": None,
    }
    transaction.update(completed)
    coupons.redeem(transaction, completed)
    made = emit(transaction, "checkout.session.completed", completed)
    transaction.say(f"session completed, {payment_status}: {about(completed)}")
    return completed, made


def settle(transaction: Transaction, session: Json, *, paid: bool) -> None:
    """Record the bank's answer to a complete session that was unpaid."""
    settled = {**session, "payment_status": "paid" if paid else "unpaid"}
    transaction.update(settled)
    outcome = "succeeded" if paid else "failed"
    emit(transaction, f"checkout.session.async_payment_{outcome}", settled)
    transaction.say(f"session's bank debit {outcome} {about(settled)}")


def about(session: Json) -> str:
    """The session in the log, with our request_id if it has one."""
    request_id = session["metadata"].get("request_id")
    amount = money.display(session["amount_total"], session["currency"])
    return f"{session['id'][:20]}… {amount}" + (f" request_id={request_id}" if request_id else "")


def _nothing_special(params: dict[str, Any]) -> Json:
    """The fields of features that the session uses only if it was asked for them."""
    is_taxed = params.get("automatic_tax", {}).get("enabled", False)
    tax_ids = params.get("tax_id_collection")
    return {
        **dict.fromkeys(UNUSED),
        **({"tax_id_collection": {"required": "never", **tax_ids}} if tax_ids else {}),
        "automatic_tax": {
            "enabled": is_taxed,
            "liability": {"type": "self"} if is_taxed else None,
            "provider": "stripe" if is_taxed else None,
            "status": "requires_location_inputs" if is_taxed else None,
        },
        "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
            **params.get("custom_text", {}),
        },
        "customer_creation": "if_required",
        "customer_details": None,
        "discounts": [],
        "invoice_creation": {
            "enabled": params.get("invoice_creation", {}).get("enabled", False),
            "invoice_data": {
                "account_tax_ids": None,
                "custom_fields": None,
                "description": None,
                "footer": None,
                "issuer": None,
                "metadata": {},
                "rendering_options": None,
                **params.get("invoice_creation", {}).get("invoice_data", {}),
            },
        },
        "managed_payments": {"enabled": False},
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": {"id": f"pmc_{random_text(24)}", "parent": None},
        "payment_method_options": {},
        "phone_number_collection": params.get("phone_number_collection", {"enabled": False}),
        "shipping_options": [],
    }
