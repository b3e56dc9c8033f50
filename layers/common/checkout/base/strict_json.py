"""JSON as our contracts mean it: one value for one key, integers that are integers."""

import json
from typing import Never


class NotJson(ValueError):
    """The text says what is wrong and is safe to show."""


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotJson("an object has the same key twice")
    return members


def _refuse_constant(name: str) -> Never:
    raise NotJson(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)


def object_from(data: bytes) -> dict[str, object]:
    """The JSON object in `data`: UTF-8 without BOM, no duplicate keys, no NaN or Infinity.

    Raises NotJson for whatever else a decoder may raise on hostile input.
    """
    if not data:
        raise NotJson("empty, where a JSON object was expected")
    value = value_from(data)
    if not isinstance(value, dict):
        raise NotJson("not a JSON object")
    return value


def value_from(data: bytes) -> object:
    """The same for any JSON value."""
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except NotJson:
        raise
    except UnicodeDecodeError as error:
        raise NotJson("not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise NotJson("not valid JSON") from error
