import pytest

from stripe_simulator import money
from stripe_simulator.resources.balance_transactions import card_fee


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (500, "eur", "€5.00"),
        (5, "eur", "€0.05"),
        (-500, "eur", "−€5.00"),
        (123456789, "usd", "$1,234,567.89"),
        (500, "jpy", "¥500"),
        (500, "kwd", "0.500 KWD"),
        (500, "isk", "5.00 ISK"),
        (500, "ugx", "5.00 UGX"),
        (500, "chf", "5.00 CHF"),
    ],
)
def test_an_amount_has_its_currency_s_decimals(amount: int, currency: str, shown: str) -> None:
    assert money.display(amount, currency) == shown


def test_the_least_that_can_be_charged() -> None:
    assert [money.minimum(currency) for currency in ("eur", "gbp", "jpy", "xpf")] == [50, 30, 50, 1]
    assert (
        set(money.MINIMUMS) | set(money.STEPS) | money.ZERO_DECIMAL | money.THREE_DECIMAL <= money.CURRENCIES
    )


@pytest.mark.parametrize(("amount", "fee"), [(50, 26), (500, 33), (1000, 40), (99_999_999, 1_500_025)])
def test_a_card_costs_one_and_a_half_percent_and_a_quarter(amount: int, fee: int) -> None:
    assert card_fee(amount) == fee
