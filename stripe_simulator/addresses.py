"""Names of machines: which mean this one, and where webhooks may go."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(name: str) -> bool:
    """True for `localhost`, 127.0.0.0/8 and ::1, which no DNS can make another machine."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def name_in(url: str) -> str:
    """The host of a URL in lower case, without port; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def may_be_posted_to(url: str, names: Collection[str]) -> bool:
    """True for an address on loopback, or at one of these names."""
    name = name_in(url)
    return is_loopback(name) or name in names
