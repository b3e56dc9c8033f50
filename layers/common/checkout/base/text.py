"""Texts and identifiers that come from outside: what is accepted of them, and how they are shown."""

import json
import re

MAX_BIGINT = 2**63 - 1
MAX_IDENTIFIER_LENGTH = 255
MAX_EMAIL_LENGTH = 254
MAX_REPEATED_LENGTH = 40

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
_EMAIL = re.compile(
    r"[\w%+-]+(\.[\w%+-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", re.ASCII | re.IGNORECASE
)
_POSITIVE_DECIMAL = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_BARE_WORD = re.compile(r"[!#-\[\]-~]+", re.ASCII)


def is_storable(text: str) -> bool:
    """True if PostgreSQL can hold the text: no NUL, no lone surrogate."""
    return _NOT_STORABLE.search(text) is None


def identifier(value: object) -> str | None:
    """The value, if it is a text of 1 to 255 characters that can be stored; else None."""
    if isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER_LENGTH and is_storable(value):
        return value
    return None


def request_identifier(value: object) -> str | None:
    """A request_id in the one form in which it is kept: lower case. None if it cannot be one."""
    return identifier(value.lower()) if isinstance(value, str) else None


def uuid_in_lower_case(value: object) -> str | None:
    """The 8-4-4-4-12 form in any case, in lower case; None for anything else."""
    if isinstance(value, str) and _UUID.fullmatch(value.lower()) and len(value) == 36:
        return value.lower()
    return None


def email_address(value: object) -> str | None:
    """The value, if it is an address that nobody would refuse for its form; None for anything else."""
    if isinstance(value, str) and len(value) <= MAX_EMAIL_LENGTH and _EMAIL.fullmatch(value):
        return value
    return None


def positive_bigint(value: object) -> int | None:
    """An integer (not a boolean, not 500.0) from 1 to 2^63-1; None for anything else."""
    return value if type(value) is int and 1 <= value <= MAX_BIGINT else None


def bigint_from_zero(value: object) -> int | None:
    """The same from 0 on."""
    return 0 if type(value) is int and value == 0 else positive_bigint(value)


def positive_bigint_from_digits(value: object) -> int | None:
    """ASCII digits, 1 to 2^63-1, no sign, no space, no leading zero; None for anything else."""
    if isinstance(value, str) and _POSITIVE_DECIMAL.fullmatch(value):
        return positive_bigint(int(value))
    return None


def shortened(text: str) -> str:
    """The text as far as an answer repeats what it was sent."""
    return text if len(text) <= MAX_REPEATED_LENGTH else f"{text[:MAX_REPEATED_LENGTH]}…"


def printable(text: str) -> str:
    r"""The text as one line that only shows: everything without a glyph of its own is escaped as in JSON.

    Escaped are control characters (ESC as `\u001b`, a line break as `\n`), line and paragraph separators,
    bidirectional overrides, zero-width and unassigned characters, spaces other than U+0020 and lone
    surrogates. So a JSON document of one line means the same afterwards. Never raises.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)


def word(text: str) -> str:
    """The text as one word of a line: bare if it is visible ASCII without quotes, else a JSON string."""
    return text if _BARE_WORD.fullmatch(text) else printable(json.dumps(text, ensure_ascii=False))
