"""What an operator reads of a request that Stripe refuses."""

import json
from typing import Any

import pytest
import stripe

from checkout.base.errors import StripeRefusedForGood
from checkout.payments.stripe_api import StripeApi


class Refusing(stripe.HTTPClient):
    name = "refusing"
    error: dict[str, str]

    def __init__(self, **_: Any) -> None:
        super().__init__()

    def request(self, *_: Any, **__: Any) -> tuple[str, int, dict[str, str]]:
        return json.dumps({"error": {"type": "invalid_request_error", **self.error}}), 400, {}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({}, "InvalidRequestError, HTTP 400"),
        ({"code": "charge_disputed"}, "InvalidRequestError, HTTP 400, code charge_disputed"),
        ({"param": "amount"}, "InvalidRequestError, HTTP 400, parameter amount"),
        ({"code": "c", "param": "p"}, "InvalidRequestError, HTTP 400, code c, parameter p"),
    ],
)
def test_only_what_stripe_names_is_said(
    monkeypatch: pytest.MonkeyPatch, error: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(stripe, "RequestsClient", Refusing)
    monkeypatch.setattr(Refusing, "error", error, raising=False)

    with pytest.raises(StripeRefusedForGood) as refused:
        StripeApi(lambda: "sk_test_1").create_refund({}, "key")
    assert refused.value.detail == f"Stripe refused the request ({said})."
