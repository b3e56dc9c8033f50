"""Stored events are filled in and signed."""

import base64
import json
from typing import Any

import pytest
import stripe

from local import signing

SECRET = "whsec_test"


def event(body: str, signature: str, *, is_base64: bool = False) -> dict[str, Any]:
    return {"headers": {"Stripe-Signature": signature}, "body": body, "isBase64Encoded": is_base64}


def test_stripe_s_own_library_accepts_the_signature() -> None:
    body = json.dumps({"id": "evt_1", "object": "event"})

    signature = signing.header(body.encode(), SECRET)

    assert stripe.WebhookSignature.verify_header(body, signature, SECRET, tolerance=300)


@pytest.mark.parametrize("placeholder", ["", "placeholder", "t=0,v1=placeholder"])
def test_a_placeholder_is_replaced(placeholder: str) -> None:
    fresh = signing.freshen(event("{}", placeholder), SECRET, {})

    assert stripe.WebhookSignature.verify_header(
        "{}", fresh["headers"]["Stripe-Signature"], SECRET, tolerance=300
    )


def test_a_binary_body_is_signed_as_the_bytes_it_stands_for() -> None:
    fresh = signing.freshen(event(base64.b64encode(b"{}").decode(), "x", is_base64=True), SECRET, {})

    assert stripe.WebhookSignature.verify_header(
        "{}", fresh["headers"]["Stripe-Signature"], SECRET, tolerance=300
    )


def test_a_signature_that_is_one_stays_wrong_or_not() -> None:
    forged = f"t=1,v1={'0' * 64}"

    assert signing.freshen(event("{}", forged), SECRET, {})["headers"]["Stripe-Signature"] == forged


def test_names_in_headers_are_replaced_and_unknown_ones_stay() -> None:
    given = {"headers": {"authorization": "Bearer ${demo_token}", "x": "${nobody}"}}

    assert signing.freshen(given, SECRET, {"demo_token": "abc"})["headers"] == {
        "authorization": "Bearer abc",
        "x": "${nobody}",
    }


def test_names_in_a_body_that_is_to_be_signed_are_replaced() -> None:
    body = '{"metadata": {"checkout_app": "${checkout_app_id}"}, "price": "$5"}'
    fresh = signing.freshen(event(body, "placeholder"), SECRET, {"checkout_app_id": "mine"})

    assert json.loads(fresh["body"]) == {"metadata": {"checkout_app": "mine"}, "price": "$5"}
    assert stripe.WebhookSignature.verify_header(
        fresh["body"], fresh["headers"]["Stripe-Signature"], SECRET, tolerance=300
    )
    signed = event(body, f"t=1,v1={'0' * 64}")
    assert signing.freshen(signed, SECRET, {"checkout_app_id": "mine"})["body"] == body


@pytest.mark.parametrize("given", [{"records": {}}, {}, {"headers": None}])
def test_other_events_stay_as_they_are(given: dict[str, Any]) -> None:
    assert signing.freshen(given, SECRET, {}) == given
