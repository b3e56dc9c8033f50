"""The amount of a demo's purchase is one that the stack's settings allow."""

import pytest

from checkout.api.page_configuration import page_configuration
from checkout.base.config import Config
from local import amounts

PRICES = '[{"amount_cents": 2000, "credit_cents": 2400}, {"amount_cents": 1000, "credit_cents": 1100}]'


@pytest.mark.parametrize(
    ("settings", "amount"),
    [
        ({}, 500),
        ({"PRICES": PRICES}, 1000),
        ({"PRICES": PRICES, "PRICES_ONLY": "true"}, 1000),
        ({"MAX_AMOUNT_CENTS": "400"}, 50),
        ({"MIN_AMOUNT_CENTS": "500", "MAX_AMOUNT_CENTS": "500"}, 500),
        ({"BALANCE_CURRENCY": "huf"}, 17_500),
        ({"BALANCE_CURRENCY": "jpy"}, 500),
        ({"BALANCE_CURRENCY": "isk", "MIN_AMOUNT_CENTS": "550"}, 600),
        ({"CREDIT_PER_CENT": "1/1000"}, 1000),
    ],
)
def test_it_is_allowed(settings: dict[str, str], amount: int) -> None:
    assert amounts.chosen(page_configuration(Config(settings))) == amount
