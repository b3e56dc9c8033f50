"""What sessions come to: discounts and tax, as Stripe computes them."""

from typing import Any

import pytest

from stripe_simulator.resources import totals
from stripe_simulator.resources.line_items import new_line_items


def came_to(
    *amounts: int, coupon: dict[str, Any] | None = None, behavior: str | None = None, currency: str = "eur"
) -> tuple[int, int, int, int]:
    """Subtotal, discount, tax and total."""
    price = {"currency": currency, "product_data": {"name": "x"}}
    wanted = [
        {"price_data": {**price, "unit_amount": one, **({"tax_behavior": behavior} if behavior else {})}}
        for one in amounts
    ]
    items = totals.priced(new_line_items(0, wanted), coupon, is_taxed=behavior is not None)
    found = totals.of(items)
    for name in ("amount_subtotal", "amount_discount", "amount_tax", "amount_total"):
        assert all(item[name] >= 0 for item in items)
    details = found["total_details"]
    assert details["amount_shipping"] == 0
    return found["amount_subtotal"], details["amount_discount"], details["amount_tax"], found["amount_total"]


def percent(off: float) -> dict[str, Any]:
    return {"percent_off": off, "amount_off": None}


def amount(off: int) -> dict[str, Any]:
    return {"percent_off": None, "amount_off": off}


def test_without_either_it_is_the_sum() -> None:
    assert came_to(500, 700) == (1200, 0, 0, 1200)


@pytest.mark.parametrize(
    ("behavior", "expected"), [("exclusive", (1000, 0, 200, 1200)), ("inclusive", (1000, 0, 167, 1000))]
)
def test_tax_is_on_top_or_within(behavior: str, expected: tuple[int, ...]) -> None:
    assert came_to(1000, behavior=behavior) == expected


@pytest.mark.parametrize(
    ("coupon", "behavior", "expected"),
    [
        (percent(20), None, (1000, 200, 0, 800)),
        (percent(12.5), None, (1000, 125, 0, 875)),
        (amount(300), None, (1000, 300, 0, 700)),
        (amount(5000), None, (1000, 1000, 0, 0)),
        (percent(100), "exclusive", (1000, 1000, 0, 0)),
        (percent(20), "exclusive", (1000, 200, 160, 960)),
        (percent(20), "inclusive", (1000, 200, 133, 800)),
    ],
)
def test_the_discount_comes_first(
    coupon: dict[str, Any], behavior: str | None, expected: tuple[int, ...]
) -> None:
    assert came_to(1000, coupon=coupon, behavior=behavior) == expected


def test_a_discount_is_divided_exactly_among_items() -> None:
    assert came_to(333, 333, 334, coupon=amount(100)) == (1000, 100, 0, 900)


def test_half_is_rounded_up_to_an_amount_of_the_currency() -> None:
    assert came_to(50, coupon=percent(1), currency="eur") == (50, 1, 0, 49)
    assert came_to(1230, coupon=percent(50), currency="kwd") == (1230, 620, 0, 610)
    assert came_to(50_100, behavior="exclusive", currency="isk") == (50_100, 0, 10_000, 60_100)
