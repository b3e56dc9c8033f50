"""What a session is created with, by the types of Stripe's library, which are made from our API version."""

import json
import sys
import typing
from types import UnionType
from typing import Any, Literal, Union

import pytest
import stripe
from stripe.params.checkout import SessionCreateParams

from checkout.base.config import Config
from checkout.payments.price import Price
from checkout.payments.stripe_event import API_VERSION
from checkout.sessions.session_request import SessionRequest
from checkout.sessions.stripe_parameters import stripe_parameters

NAMES_OF_REQUEST_OPTIONS = {**vars(typing), "StripeContext": object}
"""What the library's annotations of a call's options name, and its modules of parameters do not import."""


SWITCHED_ON = {
    "CHECKOUT_APP_ID": "checkout-tests",
    "PRICE_TAX_BEHAVIOR": "exclusive",
    "PRICE_TAX_CODE": "txcd_10000000",
    "SESSION_EXPIRES_IN_MINUTES": "31",
    "STRIPE_SESSION_OPTIONS": json.dumps(
        {
            "automatic_tax": {"enabled": True},
            "tax_id_collection": {"enabled": True},
            "billing_address_collection": "auto",
            "allow_promotion_codes": True,
            "invoice_creation": {"enabled": True},
            "locale": "de",
            "custom_text": {"submit": {"message": "Thank you"}},
            "consent_collection": {"promotions": "auto"},
            "submit_type": "pay",
            "phone_number_collection": {"enabled": True},
        }
    ),
}


def parameters(purpose: str = "balance_topup", **settings: str) -> dict[str, Any]:
    request_id = "4f6e2f3e-9f3b-4a52-8a55-1d1d9b0a3c11"
    request = SessionRequest(1, 500, None, request_id, purpose)
    config = Config(SWITCHED_ON | settings)
    return stripe_parameters(
        request, request_id, Price(500, 550), config, origin="https://pay.example.com", now=1_800_000_000
    )


def misfits(value: object, shape: Any, where: str = "") -> list[str]:
    """The places that are missing, unknown, or of another type."""
    origin, options = typing.get_origin(shape), typing.get_args(shape)
    if origin in (Union, UnionType):
        return min((misfits(value, option, where) for option in options), key=len)
    if isinstance(value, dict) and hasattr(shape, "__required_keys__"):
        return _misfits_of_fields(value, shape, where)
    if isinstance(value, list) and origin is list:
        return [found for one in value for found in misfits(one, options[0], where)]
    if isinstance(value, dict) and origin is dict:
        return [found for name in value for found in misfits(value[name], options[1], f"{where}.{name}")]
    fits = value in options if origin is Literal else type(value) is shape
    return [] if fits else [where]


def _misfits_of_fields(value: dict[str, Any], shape: Any, where: str) -> list[str]:
    names = vars(sys.modules[shape.__module__])
    fields = typing.get_type_hints(shape, names, NAMES_OF_REQUEST_OPTIONS)
    wrong = (shape.__required_keys__ - value.keys()) | (value.keys() - fields.keys())
    known = [name for name in value if name in fields]
    nested = [found for name in known for found in misfits(value[name], fields[name], f"{where}.{name}")]
    return [*(f"{where}.{name}" for name in sorted(wrong)), *nested]


def test_the_library_speaks_our_api_version() -> None:
    assert stripe.api_version == API_VERSION


@pytest.mark.parametrize("purpose", ["balance_topup", "order"])
def test_every_name_and_type_is_one_of_the_specification(purpose: str) -> None:
    assert misfits(parameters(purpose), SessionCreateParams) == []


def test_stripe_s_page_is_in_the_language_that_is_set_or_in_the_browser_s() -> None:
    """Without a locale Stripe takes the browser's."""
    assert parameters()["locale"] == "de"
    assert "locale" not in parameters(STRIPE_SESSION_OPTIONS="{}")


def test_what_is_wrong_is_found_however_deep() -> None:
    wrong = parameters()
    wrong["adaptive_pricing"] = {"enabeld": False}
    wrong["line_items"][0]["price_data"]["product_data"] = {"title": "Balance top-up"}
    wrong["line_items"][0]["quantity"] = "1"
    wrong["mode"] = 1
    wrong["payment_intent_data"] = {"metadata": {"user_id": 1}}
    assert sorted(misfits(wrong, SessionCreateParams)) == [
        ".adaptive_pricing.enabeld",
        ".line_items.price_data.product_data.name",
        ".line_items.price_data.product_data.title",
        ".line_items.quantity",
        ".mode",
        ".payment_intent_data.metadata.user_id",
    ]
