"""Requests to every route except the webhook."""

from random import Random
from urllib.parse import quote
from uuid import UUID

from tests.fuzz.callers import Callers, Headers
from tests.fuzz.raw_http import Request
from tests.fuzz.values import TEXTS, changed, odd, written

JSON: Headers = (("content-type", b"application/json"),)
UNAUTHENTICATED = frozenset({401})
CREATED = frozenset({200, 201, 400, 404, 409, 413, 415, 429})
READ = frozenset({200, 400, 404})

ASSETS = ("balance.css", "account.js", "page.js", "coin.svg", "config.json", "store.js")
HEADERS = (
    *(
        "accept",
        "accept-encoding",
        "cookie",
        "expect-nothing",
        "forwarded",
        "host",
        "if-none-match",
        "origin",
    ),
    *(
        "range",
        "referer",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-amzn-trace-id",
        "traceparent",
    ),
)


def request_id(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def create(random: Random, callers: Callers) -> Request:
    """A request to `POST /checkout/sessions`."""
    if random.random() < 0.15:
        body = written(random, {"amount_cents": 500}, spoil=0.3)
        headers = callers.nobody(random)
        return Request("POST", "/checkout/sessions", _spiced(random, JSON + headers), body, UNAUTHENTICATED)
    is_service = random.random() < 0.3
    fields = {
        "amount_cents": random.choice((500, 500, 1234)),
        "currency": "eur",
        # Some repeat another input's request id.
        "request_id": request_id(random if random.random() < 0.8 else Random(random.randrange(50))),
    }
    if is_service:
        fields["user_id"] = random.choice(callers.user_ids)
    if random.random() < 0.9:
        fields = changed(random, fields, tuple(fields), random.randrange(1, 4))
    headers = callers.service() if is_service else callers.somebody(random)
    body = written(random, fields, spoil=0.35)
    if random.random() < 0.004:
        body += b" " * random.choice((65_536, 1_000_000, 10_500_000))
    return Request(
        "POST", "/checkout/sessions", _spiced(random, _media_type(random) + headers), body, CREATED
    )


def read(random: Random, callers: Callers, known: tuple[str, ...]) -> Request:
    """A request to one of a user's GET routes; `known` are existing request ids and cursors."""
    some = random.choice(known) if known and random.random() < 0.3 else str(random.choice(TEXTS))
    match random.randrange(4):
        case 0:
            target = f"/checkout/sessions/{quote(_text(some), safe=random.choice(('', ':-/.%')))[:4000]}"
        case 1:
            target = "/checkout/balance" + _query(random, some)
        case _:
            target = "/checkout/transactions" + _query(random, some)
    if random.random() < 0.25:
        return Request("GET", target, _spiced(random, callers.nobody(random)), None, UNAUTHENTICATED | {404})
    headers = callers.somebody(random)
    body = written(random, odd(random), spoil=0.5) if random.random() < 0.05 else None
    return Request("GET", target, _spiced(random, headers), body, READ)


def public(random: Random) -> Request:
    """A request for the page, its assets, `/health`, or a path or method without a route."""
    method = random.choice(("GET", "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"))
    target = random.choice(
        (
            *(
                "/health",
                "/balance",
                "/balance/",
                "/",
                "//",
                "/balance?status=success",
                "/%2e%2e/",
                "/webhooks",
            ),
            f"/balance/{random.choice(ASSETS)}",
            f"/balance/{quote(_text(str(random.choice(TEXTS))), safe='/.%')[:4000]}",
            f"/balance/..%2f{random.choice(ASSETS)}",
            f"/{quote(_text(str(random.choice(TEXTS))), safe='/')[:4000]}",
            "/checkout/" + "a/" * random.randrange(50),
        )
    )
    return Request(method, target, _spiced(random, ()))


def _query(random: Random, some: str) -> str:
    names = ("limit", "cursor", "limit", "cursor", "limit[]", "kind", "")
    values = (some, str(random.randrange(-2, 130)), "1e2", "١", " 5", "5 ", "%", "&", *TEXTS)
    pairs = [
        f"{random.choice(names)}={quote(_text(str(random.choice(values))), safe='%&=')[:4000]}"
        for _ in range(random.randrange(3))
    ]
    return "?" + "&".join(pairs) if pairs else random.choice(("", "?", "?="))


def _text(value: str) -> str:
    """The text without surrogates, which UTF-8 does not have."""
    return value.encode("utf-8", "replace").decode()


def _media_type(random: Random) -> Headers:
    if random.random() < 0.85:
        return JSON
    return random.choice(
        (
            (),
            (("content-type", b"text/plain"),),
            (("content-type", b"application/json; charset=utf-16"),),
            (("content-type", b'application/json;charset="utf-8"'),),
            (("content-type", b"APPLICATION/JSON"),),
            (("content-type", b"\xff\xfe"),),
            (*JSON, *JSON),
            (*JSON, ("content-encoding", random.choice((b"gzip", b"identity", b"br, gzip")))),
        )
    )


def _spiced(random: Random, headers: Headers) -> Headers:
    """The request with additional headers."""
    if random.random() < 0.8:
        return headers
    value = random.choice(
        (b"x", b"\xff\xfe\x80", b"a" * 3_000, random.randbytes(9).translate(None, b"\r\n\0"))
    )
    return (*headers, (random.choice(HEADERS), value))
