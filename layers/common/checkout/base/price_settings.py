"""The settings of prices and of Stripe's own switches, and what they refuse. Pure.

Each parser raises ValueError with what follows the name in a message: "must be inclusive or exclusive".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from checkout.base import setting, strict_json
from checkout.base.errors import ConfigurationError
from checkout.base.setting import Setting
from checkout.base.text import MAX_BIGINT, is_storable, positive_bigint

MOST_CHARACTERS = 1_500
"""The limit of a setting in JSON: Lambda has 4 KB for all variables of a function."""

BEYOND_THE_RELEASE_BEFORE = ("PRICES", "CREDIT_PER_CENT", "STRIPE_SESSION_OPTIONS")

SWITCHES = frozenset(
    {
        *("automatic_tax", "tax_id_collection", "billing_address_collection", "allow_promotion_codes"),
        *("discounts", "invoice_creation", "payment_method_types", "locale", "custom_text"),
        *("consent_collection", "submit_type", "phone_number_collection"),
    }
)
"""Parameters of a Checkout session that change neither what it credits nor whose it is."""

_RATE = re.compile(r"([1-9][0-9]{0,8})(?:/([1-9][0-9]{0,8}))?", re.ASCII)
_TAX_CODE = re.compile(r"txcd_[0-9]{8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """An entry of the price list: what it costs before tax and discount, and what it credits."""

    amount_cents: int
    credit_cents: int
    label: str | None = None


def offers(given: str) -> tuple[Offer, ...]:
    listed = _json(given)
    if not isinstance(listed, list) or not listed:
        raise ValueError('must be a JSON list, such as [{"amount_cents": 1000, "credit_cents": 1100}]')
    found = tuple(map(_offer, listed))
    if len({one.amount_cents for one in found}) < len(found):
        raise ValueError("has the same amount_cents twice")
    return found


def _offer(entry: object) -> Offer:
    if not isinstance(entry, Mapping) or entry.keys() - {"amount_cents", "credit_cents", "label"}:
        raise ValueError("has an entry that is not an object of amount_cents, credit_cents and perhaps label")
    amount_cents, credit_cents = map(positive_bigint, (entry.get("amount_cents"), entry.get("credit_cents")))
    if amount_cents is None or credit_cents is None:
        raise ValueError("needs amount_cents and credit_cents in each entry, integers from 1 to 2^63-1")
    label = entry.get("label")
    if label is not None and not (isinstance(label, str) and 0 < len(label) <= 40 and is_storable(label)):
        raise ValueError("has a label that is not a text of 1 to 40 characters")
    return Offer(amount_cents, credit_cents, label)


def unit(given: str) -> str | None:
    if len(given) > 20 or not given.isprintable():
        raise ValueError("must be 1 to 20 printable characters, such as credits")
    return given


def rate(given: str) -> Fraction:
    """How much one cent credits."""
    if (found := _RATE.fullmatch(given)) is None:
        raise ValueError("must be a positive number of up to nine digits, or a fraction of two: 100, or 1/10")
    return Fraction(int(found[1]), int(found[2] or 1))


def switches(given: str) -> Mapping[str, Any]:
    found = _json(given)
    if not isinstance(found, dict):
        raise ValueError('must be a JSON object, such as {"automatic_tax": {"enabled": true}}')
    if unknown := sorted(found.keys() - SWITCHES):
        raise ValueError(f"has {unknown[0]}, and may only have {', '.join(sorted(SWITCHES))}")
    if found.get("allow_promotion_codes") and found.get("discounts"):
        raise ValueError("has both allow_promotion_codes and discounts, which Stripe does not take together")
    if "automatic_tax" in found and not isinstance(found["automatic_tax"], dict):
        raise ValueError('has an automatic_tax that is not an object, such as {"enabled": true}')
    return found


def tax_behavior(given: str) -> str | None:
    if given not in ("inclusive", "exclusive"):
        raise ValueError("must be inclusive or exclusive")
    return given


def tax_code(given: str) -> str | None:
    if not _TAX_CODE.fullmatch(given):
        raise ValueError("must be one of Stripe's tax codes, such as txcd_10000000")
    return given


def session_minutes(given: str) -> int | None:
    if not given.isascii() or not given.isdecimal() or not 31 <= int(given) <= 1439:
        raise ValueError("must be a whole number from 31 to 1439")
    return int(given)


NO_SWITCHES: Mapping[str, Any] = MappingProxyType({})


class PriceSettings:
    """The part of `Settings` about prices."""

    environment: Mapping[str, str]

    balance_unit = Setting(
        "BALANCE_UNIT",
        unit,
        "the unit in which the Balance page shows balances, a word that goes with any number: `credits`",
    )
    offers = Setting(
        "PRICES",
        offers,
        'price list: `[{"amount_cents": 1000, "credit_cents": 1100, "label": "+10 %"}]`',
        default=tuple[Offer, ...](),
    )
    offers_only = Setting(
        "PRICES_ONLY", setting.yes_or_no, "`true` refuses amounts that are not in `PRICES`", default=False
    )
    credit_per_cent = Setting(
        "CREDIT_PER_CENT",
        rate,
        "what one cent of any other amount credits, rounded down: `100`, or `1/10`",
        default=Fraction(1),
    )
    session_options = Setting(
        "STRIPE_SESSION_OPTIONS",
        switches,
        "Stripe's own switches, a JSON object: tax, promotion codes, invoices and others",
        default=NO_SWITCHES,
    )
    price_tax_behavior = Setting(
        "PRICE_TAX_BEHAVIOR",
        tax_behavior,
        "with `automatic_tax`, whether prices contain the tax: `inclusive` or `exclusive`",
    )
    price_tax_code = Setting("PRICE_TAX_CODE", tax_code, "Stripe's tax code of what is sold: `txcd_10000000`")
    session_minutes = Setting(
        "SESSION_EXPIRES_IN_MINUTES",
        session_minutes,
        "how long a session can be paid, from 31 to 1439",
    )


def set_in(environment: Mapping[str, str]) -> list[str]:
    """The names of set settings that the previous release does not know, so it would credit other amounts."""
    return [name for name in BEYOND_THE_RELEASE_BEFORE if setting.text_of(environment, name)]


def check(given: PriceSettings, currency: str, amounts: range) -> None:
    """Raises ConfigurationError, which names the setting, if one contradicts another or the `amounts` that
    can be asked for."""
    offers, tax = given.offers, given.session_options.get("automatic_tax")
    if given.offers_only and not offers:
        raise ConfigurationError("PRICES_ONLY needs PRICES.")
    for one in offers:
        if one.amount_cents not in amounts:
            raise ConfigurationError(
                f"PRICES has {one.amount_cents}: an amount is from {amounts.start} to {amounts[-1]}, and"
                f" {currency} is charged in multiples of {amounts.step}."
            )
    if int(amounts[-1] * given.credit_per_cent) > MAX_BIGINT:
        raise ConfigurationError("CREDIT_PER_CENT times MAX_AMOUNT_CENTS is beyond 2^63-1.")
    if not offers and int(amounts[-1] * given.credit_per_cent) < 1:
        raise ConfigurationError("CREDIT_PER_CENT credits nothing, even for MAX_AMOUNT_CENTS.")
    if tax is not None and tax.get("enabled") is not False and given.price_tax_behavior is None:
        raise ConfigurationError("STRIPE_SESSION_OPTIONS has automatic_tax, which needs PRICE_TAX_BEHAVIOR.")


def _json(given: str) -> object:
    if len(given) > MOST_CHARACTERS:
        raise ValueError(f"has more than {MOST_CHARACTERS} characters")
    try:
        return strict_json.value_from(given.encode("utf-8", "replace"))
    except strict_json.NotJson as error:
        raise ValueError(f"cannot be read: {error}") from error
