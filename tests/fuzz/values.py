"""Unexpected values, changes to expected ones, and unusual ways to write JSON."""

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

TEXTS = (
    *(
        "",
        " ",
        "0",
        "-1",
        "1",
        "1.0",
        "1e3",
        "null",
        "true",
        "NaN",
        "[]",
        "{}",
        "a\nb",
        "\t",
        "\x1b[31m",
        "\x07",
    ),
    *(
        "\0",
        "a\0b",
        "\ud800",
        "\udfff",
        "ok\ud83d",
        "\u202eabc",
        "\ufeff",
        "\u2028",
        "İ",
        "ß",
        "é" * 255,
        "🪙" * 64,
    ),
    *("x" * 255, "x" * 256, "x" * 5_000, "İ" * 200, "%00", "%ff", "../../etc/passwd", "' OR 1=1 --", "${x}"),
    *(
        "{CHECKOUT_SESSION_ID}",
        "{0}",
        "%s",
        "eur",
        "EUR",
        "usd",
        "jpy",
        "xxx",
        "euro",
        "balance_topup",
        "gift",
    ),
    *(
        "https://evil.example.com/",
        "//evil.example.com",
        "javascript:alert(1)",
        "http://[::1",
        "http://a:99999/",
    ),
    *(
        "/balance?x=1",
        "https://a@b/",
        "2026-11-26T00:00:00Z",
        "9" * 19,
        "9" * 400,
        "00000000-0000-0000-0000-000000000000",
    ),
)
NUMBERS: tuple[float, ...] = (
    *(0, -1, 1, 2, 49, 50, 499, 500, 501, 1_000_000, 1_000_001, 2**31 - 1, 2**31, 2**53, 2**53 + 1),
    *(2**63 - 1, 2**63, -(2**63), 2**64, 10**30, -0.0, 0.5, 500.0, 1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf")),
)
NESTED = (b"[", b'{"a":', b'[{"a":')


def odd(random: Random, depth: int = 0) -> Any:
    """A value of any type."""
    kind = random.randrange(9 if depth < 3 else 6)
    if kind < 2:
        return random.choice(TEXTS)
    if kind == 2:
        return "".join(
            chr(random.choice((random.randrange(128), random.randrange(0x11000)))) for _ in range(9)
        )
    if kind < 5:
        return random.choice(NUMBERS) if random.random() < 0.7 else random.randrange(-(2**66), 2**66)
    if kind == 5:
        return random.choice((None, True, False))
    if kind == 6:
        return [odd(random, depth + 1) for _ in range(random.randrange(4))]
    return {str(random.choice(TEXTS)): odd(random, depth + 1) for _ in range(random.randrange(4))}


def changed(random: Random, value: Any, likely: Sequence[str], times: int) -> Any:
    """A copy with this number of changes, most of them under one of the keys `likely`."""
    result = copy.deepcopy(value)
    for _ in range(times):
        result = _changed_once(random, result, likely)
    return result


def _changed_once(random: Random, value: Any, likely: Sequence[str]) -> Any:
    places = list(_places(value))
    if not places:
        return odd(random)
    wanted = [place for place in places if place[1] in likely]
    parent, key = random.choice(wanted if wanted and random.random() < 0.8 else places)
    match random.randrange(8):
        case 0:
            del parent[key]
        case 1:
            parent[key] = [parent[key]]
        case 2:
            parent[key] = {"id": parent[key]}
        case 3:
            parent[key] = _retyped(parent[key])
        case 4 if isinstance(parent, dict):
            parent[str(random.choice((f"{key} ", str(key).upper(), random.choice(TEXTS))))] = parent[key]
        case 5:
            other, name = random.choice(places)
            if name in other if isinstance(other, dict) else name < len(other):
                parent[key] = copy.deepcopy(other[name])
        case _:
            parent[key] = odd(random)
    return value


def _places(value: Any) -> Any:
    """(container, key) for every value inside."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _retyped(value: Any) -> Any:
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 400 else [value]
    return str(value) if isinstance(value, int | float) else json.dumps(value)


def written(random: Random, value: Any, *, spoil: float) -> bytes:
    """The value in JSON, of which the bytes are changed with the probability `spoil`."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.7, indent=random.choice((None, None, 2)))
    content = text.encode("utf-8", "surrogatepass")
    return _spoiled(random, content) if random.random() < spoil else content


def _spoiled(random: Random, content: bytes) -> bytes:
    match random.randrange(12):
        case 0:
            return b""
        case 1:
            return content[: random.randrange(len(content) + 1)]
        case 2:
            at = random.randrange(len(content) + 1)
            return content[:at] + random.randbytes(random.randrange(1, 9)) + content[at:]
        case 3:
            return random.randbytes(random.choice((1, 7, 300)))
        case 4:
            return b"\xef\xbb\xbf" + content
        case 5:
            return content + random.choice((b" ", b"\n", b"{}", b"\0", b",", content))
        case 6:
            return random.choice(NESTED) * random.choice((10, 1_000, 60_000))
        case 7:
            return content.decode("utf-8", "replace").encode(random.choice(("utf-16", "utf-32", "utf-8-sig")))
        case 8:  # a key twice
            return content.replace(b"{", b'{"amount_cents": 7, "id": "twice", ', 1)
        case 9:
            return content.replace(
                b"500", random.choice((b"500.0", b"5e2", b"0500", b"+500", b"9" * 5_000)), 1
            )
        case 10:
            return content.replace(b'"', b"'")
        case _:
            at = random.randrange(len(content))
            return content[:at] + bytes([content[at] ^ (1 << random.randrange(8))]) + content[at + 1 :]
