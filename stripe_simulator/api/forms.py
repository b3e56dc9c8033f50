"""Stripe's form encoding: `a[b][0][c]=v` becomes `{"a": {"b": {"0": {"c": "v"}}}}`.

Lists are dictionaries with indices as keys until a parameter's declaration makes them lists.
"""

from typing import TypeAlias
from urllib.parse import parse_qsl

from stripe_simulator.api.errors import InvalidParameter

Raw: TypeAlias = "str | dict[str, Raw]"

DEPTH_LIMIT = 8
FIELD_LIMIT = 2000


def parse(encoded: str) -> dict[str, Raw]:
    """Decode a query string or a form body. Raises `InvalidParameter`."""
    try:
        pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=FIELD_LIMIT)
    except ValueError as error:
        raise InvalidParameter(f"Invalid request: {error}") from error
    root: dict[str, Raw] = {}
    for name, value in pairs:
        _place(root, name, value)
    return root


def _place(root: dict[str, Raw], name: str, value: str) -> None:
    *parents, last = _segments(name)
    node = root
    for segment in parents:
        child = node.setdefault(_index(node, segment), {})
        if isinstance(child, str):
            raise InvalidParameter(f"Invalid parameter: {name}", param=name)
        node = child
    node[_index(node, last)] = value


def _segments(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [head]
    if not head or not rest.endswith("]"):
        raise InvalidParameter(f"Invalid parameter name: {name}", param=name)
    segments = [head, *rest[:-1].split("][")]
    if len(segments) > DEPTH_LIMIT or any("[" in segment or "]" in segment for segment in segments):
        raise InvalidParameter(f"Invalid parameter name: {name}", param=name)
    return segments


def _index(node: dict[str, Raw], segment: str) -> str:
    """Set a value at the path of its name; `a[]` appends."""
    return segment or str(len(node))
