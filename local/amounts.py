"""The amount of a purchase of `make demo` or of a case of `trouble`. Pure."""

from collections.abc import Mapping
from typing import Any

PATH = "/balance/config.json"
_USUAL = 500


def chosen(page: Mapping[str, Any]) -> int:
    """The cheapest price; without a price list 500 if it is allowed, and otherwise the least amount.

    `page` is the JSON of PATH.
    """
    if page["prices"]:
        return int(min(price["amount_cents"] for price in page["prices"]))
    least, most, step = page["min_amount_cents"], page["max_amount_cents"], page["amount_step"]
    return _USUAL if _USUAL in range(least, most + 1, step) else int(least)
