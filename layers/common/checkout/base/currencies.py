"""What Stripe takes as an amount in each currency, in minor units as Stripe counts them. Pure.

https://docs.stripe.com/currencies. Whether an account can charge in a currency at all depends on its country,
and how much at most on the payment method: only Stripe knows that, so it is not listed here.
"""

import re

from checkout.base.errors import ConfigurationError

_CODE = re.compile(r"[a-z]{3}")

_STEPS = {
    **dict.fromkeys(("bhd", "jod", "kwd", "omr", "tnd"), 10),
    **dict.fromkeys(("isk", "ugx"), 100),
}
"""Three decimals, of which the last must be 0; two decimals, which must be 00."""

_LEAST = {
    **dict.fromkeys(("aed", "myr", "pln", "ron"), 200),
    **dict.fromkeys(("nok", "sek"), 300),
    **dict.fromkeys(("mxn", "thb"), 1_000),
    "bgn": 100,
    "czk": 1_500,
    "dkk": 250,
    "hkd": 400,
    "huf": 17_500,
}
_LEAST_ELSEWHERE = 50


def is_code(text: str) -> bool:
    """True for three ASCII letters in lower case, as Stripe writes ISO 4217's codes."""
    return _CODE.fullmatch(text) is not None


def step(currency: str) -> int:
    """What every amount is a multiple of; Stripe refuses any other one."""
    return _STEPS.get(currency, 1)


def usual_least(currency: str) -> int:
    """The least amount of an account that is paid out in this currency; 50 if Stripe names none.

    In another account it is what this is worth in the currency that it is paid out in.
    """
    return max(step(currency), _LEAST.get(currency, _LEAST_ELSEWHERE))


def amounts(currency: str, least: int, most: int) -> range:
    """The amounts within these bounds that Stripe charges. Raises ConfigurationError if there is none."""
    multiple = step(currency)
    found = range(-(-least // multiple) * multiple, most + 1, multiple)
    if not found:
        raise ConfigurationError(
            f"MAX_AMOUNT_CENTS must be at least MIN_AMOUNT_CENTS, and {currency} is charged in multiples of"
            f" {multiple}: from {least} to {most} there is no amount."
        )
    return found
