"""Declarations of parameters: each converts a raw value, or raises `InvalidParameter`.

A declaration is called with the raw value and the parameter's name in bracket notation.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from stripe_simulator import money
from stripe_simulator.api.errors import InvalidParameter
from stripe_simulator.api.forms import Raw

Declaration: TypeAlias = Callable[[Raw, str], Any]

_AUTHORITY = re.compile(r"[\w.:@%\[\]-]+")
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}

METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500


def text(longest: int = 5000) -> Declaration:
    def declared(raw: Raw, name: str) -> str:
        if not isinstance(raw, str):
            raise InvalidParameter(f"Invalid string: {name}", param=name)
        if not raw:
            raise InvalidParameter(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset "
                f"a parameter; however '{name}' cannot be unset. You should remove '{name}' from your "
                "request or supply a non-empty value.",
                code="parameter_invalid_empty",
                param=name,
            )
        if len(raw) > longest:
            raise InvalidParameter(
                f"Invalid string: {raw[:20]}…; must be at most {longest} characters", param=name
            )
        return raw

    return declared


def integer(least: int | None = None, most: int | None = None) -> Declaration:
    def declared(raw: Raw, name: str) -> int:
        if not isinstance(raw, str) or not re.fullmatch(r"-?[0-9]{1,18}", raw):
            raise InvalidParameter(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=name)
        value = int(raw)
        if least is not None and value < least:
            raise InvalidParameter(
                f"This value must be greater than or equal to {least}.",
                code="parameter_invalid_integer",
                param=name,
            )
        if most is not None and value > most:
            raise InvalidParameter(
                f"This value must be less than or equal to {most}.",
                code="parameter_invalid_integer",
                param=name,
            )
        return value

    return declared


def percentage(raw: Raw, name: str) -> float:
    """More than 0, at most 100, with up to two decimals."""
    if (
        not isinstance(raw, str)
        or not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", raw)
        or not 0 < float(raw) <= 100
    ):
        raise InvalidParameter(f"Invalid decimal: {raw}; must be between 0 and 100", param=name)
    return float(raw)


def boolean(raw: Raw, name: str) -> bool:
    if raw not in ("true", "false"):
        raise InvalidParameter(f"Invalid boolean: {raw}", param=name)
    return raw == "true"


def choice(*values: str) -> Declaration:
    def declared(raw: Raw, name: str) -> str:
        if not isinstance(raw, str) or raw not in values:
            raise InvalidParameter(f"Invalid {name}: must be one of {', '.join(values)}", param=name)
        return raw

    return declared


def url(raw: Raw, name: str) -> str:
    value: str = text()(raw, name)
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise InvalidParameter("Not a valid URL", code="url_invalid", param=name) from error
    if not parts.scheme:
        raise InvalidParameter(
            "Invalid URL: An explicit scheme (such as https) must be provided.",
            code="url_invalid",
            param=name,
        )
    if parts.scheme not in ("http", "https") or not _AUTHORITY.fullmatch(parts.netloc):
        raise InvalidParameter("Not a valid URL", code="url_invalid", param=name)
    return value


def currency(raw: Raw, name: str) -> str:
    value: str = text()(raw, name).lower()
    if value not in money.CURRENCIES:
        raise InvalidParameter(
            f"Invalid currency: {value}. Stripe currently supports these currencies: "
            f"{', '.join(sorted(money.CURRENCIES))}",
            param=name,
        )
    return value


def check_step(amount: int, code: str, name: str) -> None:
    """Raises InvalidParameter for an amount that does not exist in the currency."""
    if amount % money.step(code):
        raise InvalidParameter(
            f"Invalid amount: {amount}. Amounts in {code} must be multiples of {money.step(code)}.",
            code="invalid_charge_amount",
            param=name,
        )


def metadata(raw: Raw, name: str) -> dict[str, str] | None:
    """Strings by key; an empty one removes its key, and None removes all."""
    if raw == "":
        return None
    if not isinstance(raw, dict):
        raise InvalidParameter(f"Invalid object: {name}", param=name)
    if len(raw) > METADATA_KEYS:
        raise InvalidParameter(
            f"You cannot have more than {METADATA_KEYS} metadata keys; you tried to set {len(raw)}.",
            param=name,
        )
    for key, value in raw.items():
        if len(key) > METADATA_KEY_LENGTH:
            raise InvalidParameter(
                f"Metadata keys must have at most {METADATA_KEY_LENGTH} characters; '{key}' has {len(key)}.",
                param=name,
            )
        if not isinstance(value, str):
            raise InvalidParameter("Metadata values must be strings.", param=f"{name}[{key}]")
        if len(value) > METADATA_VALUE_LENGTH:
            raise InvalidParameter(
                f"Metadata values must have at most {METADATA_VALUE_LENGTH} characters; "
                f"'{key}' has {len(value)}.",
                param=f"{name}[{key}]",
            )
    return {key: value for key, value in raw.items() if isinstance(value, str)}


def list_of(element: Declaration) -> Declaration:
    def declared(raw: Raw, name: str) -> list[Any]:
        if not isinstance(raw, dict) or not all(key.isascii() and key.isdigit() for key in raw):
            raise InvalidParameter(f"Invalid array: {name}", param=name)
        return [element(raw[key], f"{name}[{key}]") for key in sorted(raw, key=int)]

    return declared


def fields(declarations: Mapping[str, Declaration], required: tuple[str, ...] = ()) -> Declaration:
    """A hash with only these keys."""

    def declared(raw: Raw, name: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise InvalidParameter(f"Invalid object: {name}", param=name)
        for key in raw:
            if key not in declarations:
                unknown = _nested(name, key)
                raise InvalidParameter(
                    f"Received unknown parameter: {unknown}", code="parameter_unknown", param=unknown
                )
        for key in required:
            if key not in raw:
                missing = _nested(name, key)
                raise InvalidParameter(
                    f"Missing required param: {missing}.", code="parameter_missing", param=missing
                )
        return {key: declarations[key](value, _nested(name, key)) for key, value in raw.items()}

    return declared


def time_range(raw: Raw, name: str) -> dict[str, int]:
    """`created=5` or `created[gte]=5&created[lt]=9`, as SQL comparisons and unix seconds."""
    if isinstance(raw, str):
        return {"=": integer()(raw, name)}
    bounds = fields({bound: integer() for bound in _COMPARISONS})(raw, name)
    return {_COMPARISONS[bound]: value for bound, value in bounds.items()}


def _nested(name: str, key: str) -> str:
    return f"{name}[{key}]" if name else key
