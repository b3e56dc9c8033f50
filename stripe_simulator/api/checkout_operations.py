"""/v1/checkout/sessions"""

from collections.abc import Mapping
from typing import Any

from stripe_simulator import money
from stripe_simulator.api import lists
from stripe_simulator.api.errors import InvalidParameter, StripeError
from stripe_simulator.api.expansion import line_items
from stripe_simulator.api.operations import EXPAND, Call, Operation, named, retrieval
from stripe_simulator.api.params import (
    boolean,
    check_step,
    choice,
    currency,
    fields,
    integer,
    list_of,
    metadata,
    text,
    url,
)
from stripe_simulator.resources import checkout_sessions
from stripe_simulator.resources.coupons import CodeRefused
from stripe_simulator.storage.transaction import Json, Transaction

PATH = "/checkout/sessions"
TRANSIT_SECONDS = 10  # Callers compute "in 30 minutes" before they send the request.
METHODS = ("card", *sorted(checkout_sessions.BANK_DEBITS.values()))

_PRODUCT_DATA = fields(
    {
        "name": text(),
        "description": text(),
        "metadata": metadata,
        "images": list_of(url),
        "tax_code": text(),
    },
    required=("name",),
)
_PRICE_DATA = fields(
    {
        "currency": currency,
        "unit_amount": integer(least=0),
        "product_data": _PRODUCT_DATA,
        "tax_behavior": choice("exclusive", "inclusive", "unspecified"),
    },
    required=("currency", "unit_amount", "product_data"),
)
_LINE_ITEM = fields(
    {"price_data": _PRICE_DATA, "quantity": integer(least=1, most=999_999)}, required=("price_data",)
)
_INTENT_DATA = fields(
    {
        "metadata": metadata,
        "description": text(1000),
        "receipt_email": text(512),
        "statement_descriptor": text(22),
        "statement_descriptor_suffix": text(22),
        "transfer_group": text(),
    }
)
_ENABLED = fields({"enabled": boolean}, required=("enabled",))
_MESSAGE = fields({"message": text(1200)}, required=("message",))
_SWITCHES = {
    "allow_promotion_codes": boolean,
    "automatic_tax": fields(
        {"enabled": boolean, "liability": fields({"type": choice("account", "self"), "account": text()})},
        required=("enabled",),
    ),
    "billing_address_collection": choice("auto", "required"),
    "consent_collection": fields(
        {
            "payment_method_reuse_agreement": fields({"position": choice("auto", "hidden")}),
            "promotions": choice("auto", "none"),
            "terms_of_service": choice("none", "required"),
        }
    ),
    "custom_text": fields(
        dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance"), _MESSAGE)
    ),
    "discounts": list_of(fields({"coupon": text(), "promotion_code": text()})),
    "invoice_creation": fields(
        {
            "enabled": boolean,
            "invoice_data": fields({"description": text(1500), "footer": text(), "metadata": metadata}),
        },
        required=("enabled",),
    ),
    "phone_number_collection": _ENABLED,
    "tax_id_collection": fields(
        {"enabled": boolean, "required": choice("if_supported", "never")}, required=("enabled",)
    ),
}
_CREATE = fields(
    {
        **_SWITCHES,
        "mode": choice("payment"),
        "line_items": list_of(_LINE_ITEM),
        "success_url": url,
        "cancel_url": url,
        "client_reference_id": text(200),
        "customer_email": text(800),
        "expires_at": integer(),
        "metadata": metadata,
        "payment_intent_data": _INTENT_DATA,
        "payment_method_types": list_of(choice(*METHODS)),
        "adaptive_pricing": fields({"enabled": boolean}),
        "locale": text(10),
        "submit_type": choice("auto", "book", "donate", "pay", "subscribe"),
        "ui_mode": choice("hosted_page"),
        **EXPAND,
    },
    required=("mode", "line_items", "success_url"),
)
_LIST = fields(
    {
        "payment_intent": text(),
        "status": choice("open", "complete", "expired"),
        **lists.CREATED,
        **lists.PAGE,
    }
)


def create(transaction: Transaction, call: Call) -> Json:
    _check_currency(call.params["line_items"])
    _check_total(call.params["line_items"])
    _check_expiry(transaction.time, call.params.get("expires_at"))
    _check_discounts(call.params)
    _check_tax(call.params)
    try:
        return checkout_sessions.create(transaction, dict(call.params))
    except CodeRefused as error:
        raise InvalidParameter(str(error), param="discounts[0]") from error


def list_sessions(transaction: Transaction, call: Call) -> Json:
    filters = [
        lists.equals(name, call.params[name]) for name in ("payment_intent", "status") if name in call.params
    ]
    return lists.page(transaction, "checkout.session", call.url, dict(call.params), filters)


def expire(transaction: Transaction, call: Call) -> Json:
    session = named(transaction, "checkout.session", call)
    if session["status"] != "open":
        raise StripeError(
            'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session['status']}`."
        )
    return checkout_sessions.expire(transaction, session)


def list_line_items(transaction: Transaction, call: Call) -> Json:
    return line_items(transaction, named(transaction, "checkout.session", call)["id"])


OPERATIONS = (
    Operation("POST", PATH, create, _CREATE),
    Operation("GET", PATH, list_sessions, _LIST),
    retrieval("checkout.session", PATH),
    Operation("POST", f"{PATH}/{{id}}/expire", expire),
    Operation("GET", f"{PATH}/{{id}}/line_items", list_line_items, fields(lists.PAGE)),
)


def _check_currency(items: list[Mapping[str, Any]]) -> None:
    if not items:
        raise InvalidParameter(
            "Missing required param: line_items.", code="parameter_missing", param="line_items"
        )
    if len({item["price_data"]["currency"] for item in items}) > 1:
        raise InvalidParameter("All line items must have the same currency.", param="line_items")


def _check_total(items: list[Mapping[str, Any]]) -> None:
    code = items[0]["price_data"]["currency"]
    for number, item in enumerate(items):
        name = f"line_items[{number}][price_data][unit_amount]"
        check_step(item["price_data"]["unit_amount"], code, name)
    total = sum(item["price_data"]["unit_amount"] * item.get("quantity", 1) for item in items)
    least = money.minimum(code)
    if total < least:
        raise InvalidParameter(
            "The Checkout Session's total amount due must add up to at least "
            f"{money.display(least, code)} {code}",
            code="amount_too_small",
        )
    if total > money.MAXIMUM:
        raise InvalidParameter(
            "The Checkout Session's total amount must not be greater than "
            f"{money.display(money.MAXIMUM, code)}",
            code="amount_too_large",
        )


def _check_discounts(params: Mapping[str, Any]) -> None:
    discounts = params.get("discounts", [])
    if discounts and params.get("allow_promotion_codes"):
        raise InvalidParameter(
            "You may only specify one of these parameters: allow_promotion_codes, discounts."
        )
    if len(discounts) > 1 or any(len(one) != 1 for one in discounts):
        raise InvalidParameter(
            "discounts takes one element, with a coupon or a promotion_code.", param="discounts"
        )


def _check_tax(params: Mapping[str, Any]) -> None:
    if not params.get("automatic_tax", {}).get("enabled"):
        return
    for number, item in enumerate(params["line_items"]):
        if item["price_data"].get("tax_behavior", "unspecified") == "unspecified":
            raise InvalidParameter(
                "You must specify tax_behavior (inclusive or exclusive) to use automatic tax.",
                param=f"line_items[{number}][price_data][tax_behavior]",
            )


def _check_expiry(now: float, expires_at: int | None) -> None:
    if expires_at is None:
        return
    if expires_at < int(now) + checkout_sessions.SHORTEST_SECONDS - TRANSIT_SECONDS:
        raise InvalidParameter(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if expires_at > int(now) + checkout_sessions.LONGEST_SECONDS:
        raise InvalidParameter(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
