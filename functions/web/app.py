"""The Balance page at `GET /balance`; its sources and `config.json` at `GET /balance/{asset}`; and the API's
description at `GET /openapi.json`.

The page is one file: its styles, modules, icon and configuration are written into it. So a visit wakes one
execution environment, and works during a deployment, when the next request may meet another release.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from checkout.api.inline_scripts import hashes, inline_modules
from checkout.api.page_configuration import page_configuration
from checkout.api.problem import problem_response
from checkout.api.response_headers import PROTECTION
from checkout.base.config import Config
from checkout.base.errors import CheckoutError, ConfigurationError, NotFound

STATIC = Path(__file__).parent / "static"
PAGE = "balance.html"
CONFIG = "config.json"
OPENAPI = Path(__file__).parent / "openapi.json"

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

CONFIRMED = "no-cache"
IMMUTABLE = "public, max-age=31536000, immutable"
# For ten minutes a repeated visit does not ask for the page. An old one works, since it needs no other file.
PAGE_CACHING = "public, max-age=600, must-revalidate"
OPENAPI_CACHING = "public, max-age=600"

Response = dict[str, Any]


@dataclass(frozen=True)
class Asset:
    """A file as it is sent."""

    body: str
    content_type: str
    etag: str
    cache_control: str


def _asset(name: str, body: str, cache_control: str = CONFIRMED) -> Asset:
    return Asset(body, CONTENT_TYPES[Path(name).suffix], f'"{_digest(body)}"', cache_control)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:32]


def _versioned(name: str) -> str:
    """The name under which this version of a file can be kept for ever, such as `page-<digest>.js`."""
    path = Path(name)
    return f"{path.stem}-{_digest(SOURCES[name])}{path.suffix}"


SOURCES = {path.name: path.read_text("utf-8") for path in sorted(STATIC.iterdir())}
TEMPLATE = SOURCES.pop(PAGE)
# A request only ever looks up a key here, so no path that a client writes reaches the file system.
ASSETS = {name: _asset(name, body) for name, body in SOURCES.items()} | {
    _versioned(name): _asset(name, body, IMMUTABLE) for name, body in SOURCES.items()
}

SCRIPTS = inline_modules(
    {name: body for name, body in SOURCES.items() if name.endswith(".js")},
    lambda name: f"/balance/{_versioned(name)}",
)
STYLE = SOURCES["balance.css"]
# Shorter than in base64. The page has it in double quotes, so the picture has none.
ICON = "data:image/svg+xml," + quote(SOURCES["coin.svg"], safe="/:=' <>")


SECURITY_HEADERS = {
    **PROTECTION,
    "content-security-policy": "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes(*SCRIPTS)}",
            f"style-src {hashes(STYLE)}",
            "connect-src 'self'",
            "img-src data:",
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


def handler(event: Mapping[str, Any], _context: object) -> Response:
    """Answer an HTTP API v2 event of one of the three routes."""
    name = (event.get("pathParameters") or {}).get("asset")
    try:
        if event.get("routeKey") == "GET /openapi.json":
            asset: Asset | None = openapi_asset()
        else:
            asset = page_asset() if name is None else config_asset() if name == CONFIG else ASSETS.get(name)
    except ConfigurationError as error:
        return _problem(error)
    if asset is None:
        return _problem(NotFound("The Balance page has no such file."))
    if _is_known(asset.etag, event.get("headers") or {}):
        return {"statusCode": 304, "headers": _headers(asset)}
    return {"statusCode": 200, "headers": _headers(asset), "body": asset.body}


@cache
def openapi_asset() -> Asset:
    """Read at the first request for it, since a visit of the page does not need it."""
    return _asset(OPENAPI.name, OPENAPI.read_text("utf-8"), OPENAPI_CACHING)


def page_asset() -> Asset:
    """The page. If it lacks its configuration, its script asks for that, and shows what is wrong."""
    try:
        return _page(config_asset().body)
    except ConfigurationError:
        return _page(None)


@cache
def _page(config: str | None) -> Asset:
    parts = {
        '<link rel="stylesheet" href="/balance/balance.css">': f"<style>{STYLE}</style>",
        '<script type="module" src="/balance/page.js"></script>': "\n".join(
            f'<script type="module">{script}</script>' for script in SCRIPTS
        ),
        "/balance/coin.svg": ICON,
        "</head>": "</head>"
        if config is None
        else f'<script id="config" type="application/json">{config}</script>\n</head>',
    }
    references = "|".join(map(re.escape, parts))
    body = re.sub(references, lambda found: parts[found[0]], TEMPLATE)
    return _asset(PAGE, body, CONFIRMED if config is None else PAGE_CACHING)


@cache
def config_asset() -> Asset:
    """What the page knows of prices and amounts; the environment is read once.

    Raises ConfigurationError, which names the variable.
    """
    # In the page, no text of a setting ends the element that has it.
    return _asset(CONFIG, json.dumps(page_configuration(Config(os.environ))).replace("<", "\\u003c"))


def _headers(asset: Asset) -> dict[str, str]:
    # Also on a 304: API Gateway would add text/plain, and a browser could store that.
    return SECURITY_HEADERS | {
        "cache-control": asset.cache_control,
        "content-type": asset.content_type,
        "etag": asset.etag,
        # Coming back from Stripe is a repeated visit, although the address differs.
        "no-vary-search": 'params=("status" "session_id")',
    }


def _is_known(etag: str, headers: Mapping[str, str]) -> bool:
    known = [tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")]
    return etag in known or known == ["*"]


def _problem(error: CheckoutError) -> Response:
    answer = problem_response(error)
    return answer | {"headers": SECURITY_HEADERS | answer["headers"]}
