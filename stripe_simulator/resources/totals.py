"""What line items come to: discount, tax and total, each in the currency's smallest unit. Pure.

As at Stripe the discount is taken off first, and `amount_subtotal` is before both: with inclusive prices it
contains the tax. Nobody has an address here: the tax is `TAX_PERCENT` for everybody.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from stripe_simulator import money
from stripe_simulator.storage.transaction import Json

TAX_PERCENT = 20


def priced(items: Sequence[Json], coupon: Mapping[str, object] | None, *, is_taxed: bool) -> list[Json]:
    """The line items with their amounts. With tax each price says its `tax_behavior`."""
    subtotals = [item["amount_subtotal"] for item in items]
    discounts = _distributed(_discount(sum(subtotals), items[0]["currency"], coupon), subtotals)
    return [_priced(item, discount, is_taxed) for item, discount in zip(items, discounts, strict=True)]


def of(items: Sequence[Json]) -> Json:
    """The fields of the session that has these line items."""

    def total(name: str) -> int:
        return sum(item[name] for item in items)

    return {
        "amount_subtotal": total("amount_subtotal"),
        "amount_total": total("amount_total"),
        "total_details": {
            "amount_discount": total("amount_discount"),
            "amount_shipping": 0,
            "amount_tax": total("amount_tax"),
        },
    }


def _discount(subtotal: int, currency: str, coupon: Mapping[str, object] | None) -> int:
    if coupon is None:
        return 0
    if coupon["amount_off"] is not None:
        return min(int(str(coupon["amount_off"])), subtotal)
    return _rounded(subtotal * Fraction(str(coupon["percent_off"])) / 100, currency)


def _distributed(amount: int, weights: Sequence[int]) -> list[int]:
    """The amount in parts that are in proportion to the weights, and exactly the amount in all."""
    parts, weight, given = [], 0, 0
    for one in weights:
        weight += one
        part = amount * weight // (sum(weights) or 1) - given
        parts.append(part)
        given += part
    return parts


def _priced(item: Json, discount: int, is_taxed: bool) -> Json:
    left, tax, currency = item["amount_subtotal"] - discount, 0, item["currency"]
    is_inclusive = item["price"]["tax_behavior"] == "inclusive"
    if is_taxed:
        tax = _rounded(Fraction(left * TAX_PERCENT, 100 + (TAX_PERCENT if is_inclusive else 0)), currency)
    amounts = {
        "amount_discount": discount,
        "amount_tax": tax,
        "amount_total": left if is_inclusive else left + tax,
    }
    return {**item, **amounts}


def _rounded(amount: Fraction, currency: str) -> int:
    """Half up, to an amount that exists in the currency."""
    step = money.step(currency)
    return int(amount / step + Fraction(1, 2)) * step
