"""What an operator reads of a request that Stripe refuses."""

import json
from typing import Any

import pytest
import requests
import stripe

from checkout.base.errors import StripeNotReached, StripeOutcomeUnknown, StripeRefusedForGood
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


def _answer(status: int) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer._content = status, b'{"error": {"message": "away"}}'
    return answer


@pytest.mark.parametrize(
    ("attempts", "raised"),
    [
        ([requests.ConnectTimeout(), requests.ConnectTimeout()], StripeNotReached),
        ([requests.ReadTimeout(), requests.ConnectTimeout()], StripeOutcomeUnknown),
        ([_answer(500), requests.ConnectTimeout()], StripeOutcomeUnknown),
        ([requests.ConnectTimeout(), requests.ReadTimeout()], StripeOutcomeUnknown),
    ],
)
def test_stripe_was_not_reached_only_if_no_attempt_of_the_sdk_reached_it(
    monkeypatch: pytest.MonkeyPatch,
    attempts: list[requests.Response | Exception],
    raised: type[Exception],
) -> None:
    """Otherwise Stripe may have made the refund, although the last attempt found no connection."""
    left = iter(attempts)

    def attempt(*_: Any, **__: Any) -> requests.Response:
        if isinstance(ended := next(left), Exception):
            raise ended
        return ended

    monkeypatch.setattr(requests.Session, "request", attempt)
    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", lambda *_: 0)
    stripe_api = StripeApi(lambda: "sk_test_1")

    for _ in range(2):  # What became of an earlier call does not count.
        left = iter(attempts)
        with pytest.raises(raised):
            stripe_api.create_refund({}, "key")
