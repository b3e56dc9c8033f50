"""Accepts requests from programs on this machine and from this server's own pages, not from other pages.

Any web page can make the browser of this machine send forms here, and can give this address a name of its
own (DNS rebinding) to read the answers. But a browser states the origin of a request, which no page can
change.
"""

import re
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from stripe_simulator.addresses import is_loopback

_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.IGNORECASE)
_CHANGES_NOTHING = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


class Guard:
    """An ASGI application in front of another one, which answers 403 to requests that are not accepted."""

    def __init__(self, application: ASGIApp, hosts: Collection[str]) -> None:
        """`hosts` are this server's names, in lower case and in addition to loopback."""
        self._application = application
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (why := self._refusal(scope, Headers(scope=scope))):
            error = {"type": "invalid_request_error", "message": why}
            await JSONResponse({"error": error}, 403)(scope, receive, send)
        else:
            await self._application(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> str | None:
        named = headers.getlist("host")
        if len(named) != 1 or not self._is_ours(named[0]):
            return (
                "Host is none of this simulator's names, which are those of loopback; for another one start"
                " it with --allowed-hosts or STRIPE_SIMULATOR_ALLOWED_HOSTS."
            )
        is_open = scope["method"] in _CHANGES_NOTHING and not _is_control(scope["path"])
        if not is_open and not _is_of_own_page(headers, named[0]):
            return "A web page that is none of this simulator's may not have it change anything."
        return None

    def _is_ours(self, host: str) -> bool:
        match = _HOST.fullmatch(host)
        if match is None:
            return False
        name = match["name"].lower().strip("[]")
        return is_loopback(name) or name in self._hosts


def _is_control(path: str) -> bool:
    return path.startswith("/_simulator/") and path != "/_simulator/health"


def _is_of_own_page(headers: Headers, host: str) -> bool:
    """Return True for our own pages, and for programs, which state no origin."""
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in _OWN_SITES
    # Over http, browsers send it to loopback only; to other names they send only the origin.
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2].lower() == host.lower()


def is_from_browser(headers: Headers) -> bool:
    """Return True for a browser's requests: those of a page, and addresses that a user opens."""
    names = ("origin", "upgrade-insecure-requests")
    return any(name.startswith("sec-fetch-") or name in names for name in headers)
