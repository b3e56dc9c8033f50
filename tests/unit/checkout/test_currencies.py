"""Stripe's rules for amounts, and that the simulator's are the same."""

import re
from pathlib import Path

import pytest

from checkout.base import currencies
from stripe_simulator import money

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("eur", True),
        ("EUR", False),
        ("euro", False),
        ("eu", False),
        ("e1r", False),
        ("éur", False),
        ("eur\n", False),
        ("", False),
    ],
)
def test_a_code_is_three_letters(code: str, right: bool) -> None:
    assert currencies.is_code(code) is right


@pytest.mark.parametrize(
    ("currency", "step", "least"),
    [
        ("eur", 1, 50),
        ("gbp", 1, 50),
        ("jpy", 1, 50),
        ("kwd", 10, 50),
        ("isk", 100, 100),
        ("ugx", 100, 100),
        ("huf", 1, 17_500),
    ],
)
def test_steps_and_least_amounts(currency: str, step: int, least: int) -> None:
    assert (currencies.step(currency), currencies.usual_least(currency)) == (step, least)


def test_the_simulator_takes_the_least_of_every_currency_and_nothing_between_two_steps() -> None:
    for code in money.CURRENCIES:
        assert currencies.step(code) == money.step(code)
        assert currencies.usual_least(code) >= money.minimum(code)
        assert currencies.usual_least(code) % money.step(code) == 0


def test_the_page_shows_the_decimals_that_the_simulator_counts_in() -> None:
    script = (ROOT / "functions" / "web" / "static" / "money.js").read_text("utf-8")
    for name, codes in (("ZERO_DECIMAL", money.ZERO_DECIMAL), ("THREE_DECIMAL", money.THREE_DECIMAL)):
        found = re.search(rf"{name} = new Set\(\[(.*?)\]\)", script, re.DOTALL)
        assert found is not None
        assert set(re.findall(r"[a-z]{3}", found[1])) == codes
    assert {code for code, step in money.STEPS.items() if step == 10} == money.THREE_DECIMAL
    assert {money.decimals(code) for code in ("isk", "ugx")} == {2}
