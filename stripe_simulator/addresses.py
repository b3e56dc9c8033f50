"""Names of machines: those of this machine, and those that webhooks may be sent to."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(name: str) -> bool:
    """Return True for `localhost`, 127.0.0.0/8 and ::1, which no DNS server can redirect."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


def name_in(url: str) -> str:
    """The host of a URL in lower case and without port, or an empty string."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def may_be_posted_to(url: str, names: Collection[str]) -> bool:
    """Return True for a URL on loopback or at one of these names."""
    name = name_in(url)
    return is_loopback(name) or name in names
