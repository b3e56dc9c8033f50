"""The Balance page's configuration: the unit of balances, the prices, the amounts that can be paid. Pure."""

import math
from dataclasses import asdict
from typing import Any

from checkout.base import currencies
from checkout.base.config import Config

PRESETS = (500, 1000, 2000, 5000)
"""What is suggested without a price list."""


def page_configuration(config: Config) -> dict[str, Any]:
    """In JSON's types. `credit_per_cent` is a fraction: numerator and denominator.

    Raises ConfigurationError, which names the setting.
    """
    step, rate = currencies.step(config.currency), config.credit_per_cent
    # What credits nothing is refused, too.
    least = -(-max(config.min_amount_cents, math.ceil(1 / rate)) // step) * step
    most = config.max_amount_cents // step * step
    return {
        "currency": config.currency,
        "unit": config.balance_unit,
        "min_amount_cents": least,
        "max_amount_cents": most,
        "amount_step": step,
        "presets": [offer.amount_cents for offer in config.offers] or _presets(least, most),
        "prices": [asdict(offer) for offer in config.offers],
        "prices_only": config.offers_only,
        "credit_per_cent": list(rate.as_integer_ratio()),
        "tax_behavior": config.price_tax_behavior,
    }


def _presets(least: int, most: int) -> list[int]:
    """At most four amounts; multiples of the least if the usual ones are all too small."""
    usual = PRESETS if least <= PRESETS[-1] else [least * factor for factor in (1, 2, 4, 10)]
    return [preset for preset in usual if least <= preset <= most]
