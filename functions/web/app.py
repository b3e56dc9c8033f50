"""The Balance page: `GET /balance`, and what it is made of: `GET /balance/{asset}`."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from checkout.api.response_headers import PROTECTION
from checkout.base import currencies
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError

STATIC = Path(__file__).parent / "static"
PAGE = "balance.html"
CONFIG = "config.json"
PRESETS = (500, 1000, 2000, 5000)

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

SECURITY_HEADERS = {
    **PROTECTION,
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}

Response = dict[str, Any]


@dataclass(frozen=True)
class Asset:
    """A file of the page as it is sent."""

    body: str
    content_type: str
    etag: str


def _asset(name: str, body: str) -> Asset:
    digest = hashlib.sha256(body.encode()).hexdigest()[:32]
    return Asset(body, CONTENT_TYPES[Path(name).suffix], f'"{digest}"')


# A request only ever looks up a key here, so no path that a client writes reaches the file system.
ASSETS = {path.name: _asset(path.name, path.read_text("utf-8")) for path in sorted(STATIC.iterdir())}
PAGE_ASSET = ASSETS.pop(PAGE)


def handler(event: Mapping[str, Any], _context: object) -> Response:
    """Answer an HTTP API v2 event of one of the two routes."""
    name = (event.get("pathParameters") or {}).get("asset")
    try:
        asset = PAGE_ASSET if name is None else config_asset() if name == CONFIG else ASSETS.get(name)
    except ConfigurationError as error:
        return _problem(error.status, error.title, error.detail)
    if asset is None:
        return _problem(404, "Not found", "The Balance page has no such file.")
    if _is_known(asset.etag, event.get("headers") or {}):
        return {"statusCode": 304, "headers": _headers(asset)}
    return {"statusCode": 200, "headers": _headers(asset), "body": asset.body}


@cache
def config_asset() -> Asset:
    """What the page must know before it can check an amount; the environment is read once.

    Raises ConfigurationError, naming the variable.
    """
    config = Config(os.environ)
    step = currencies.step(config.currency)
    smallest = -(-config.min_amount_cents // step) * step
    largest = config.max_amount_cents // step * step
    content = {
        "currency": config.currency,
        "min_amount_cents": smallest,
        "max_amount_cents": largest,
        "amount_step": step,
        "presets": _presets(smallest, largest),
    }
    return _asset(CONFIG, json.dumps(content))


def _presets(smallest: int, largest: int) -> list[int]:
    """Four amounts or fewer; if the usual ones are all too small, multiples of the smallest."""
    usual = PRESETS if smallest <= PRESETS[-1] else [smallest * factor for factor in (1, 2, 4, 10)]
    return [preset for preset in usual if smallest <= preset <= largest]


def _headers(asset: Asset) -> dict[str, str]:
    # The names carry no version, so each use is confirmed: modules of two releases never meet in one page.
    # A 304 has the type too: API Gateway would make it text/plain, and a browser could take that over.
    return SECURITY_HEADERS | {
        "cache-control": "no-cache",
        "content-type": asset.content_type,
        "etag": asset.etag,
    }


def _is_known(etag: str, headers: Mapping[str, str]) -> bool:
    known = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]


def _problem(status: int, title: str, detail: str) -> Response:
    headers = {"cache-control": "no-store", "content-type": "application/problem+json"}
    problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return {"statusCode": status, "headers": SECURITY_HEADERS | headers, "body": json.dumps(problem)}
