"""Addresses: where a customer may be sent back to after Stripe's page, and what we may fetch."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_READ_DIFFERENTLY = re.compile(r"[\x00-\x20\x7f\\]")
"""What browsers drop or take for a slash, so that they would see another host than we do."""


def origin_of(url: str) -> str | None:
    """`scheme://host[:port]` of an absolute http or https address, in lower case and without a default port;
    None for anything else, such as an address that names a user or that a browser would read differently."""
    if _READ_DIFFERENTLY.search(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown_port = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}"


def is_protected(origin: str) -> bool:
    """True if nobody on the way can read or change what goes to this origin: https, or this machine itself (a
    loopback address, or a name without a dot)."""
    known = origin_of(origin)
    if known is None:
        return False
    parts = urlsplit(known)
    host = parts.hostname or ""
    try:
        is_here = ip_address(host).is_loopback
    except ValueError:
        is_here = "." not in host
    return parts.scheme == "https" or is_here


def is_fetchable(url: str) -> bool:
    """True for an address whose answer nobody on the way can change: https, or http at a loopback address. It
    names neither a user nor a fragment."""
    known = origin_of(url)
    if known is None or "#" in url:
        return False
    parts = urlsplit(known)
    try:
        return parts.scheme == "https" or ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def is_relative(url: str) -> bool:
    """Names no host: neither `https://host/…` nor `//host/…`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc
