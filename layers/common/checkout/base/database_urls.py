"""Whose name a database's URL has, and on which server it is. Pure."""

import re
from urllib.parse import quote

# Not urlsplit, which refuses passwords that libpq takes, and quotes them in its errors.
_URL = re.compile(r"(\w+://)(?:([^/?]*)@)?([^/?@]*)([^?]*)(?:\?(.*))?", re.DOTALL)


def signed_in(url: str, role: str, password: str | None = None) -> str:
    """As this role, whomever the URL names."""
    if (found := _URL.fullmatch(url)) is None:
        return url
    scheme, _, server, database, query = found.groups()
    user = quote(role, safe="") if password is None else f"{quote(role, safe='')}:{quote(password, safe='')}"
    return f"{scheme}{user}@{server}{database}{_after(query)}"


def names_somebody(url: str) -> bool:
    found = _URL.fullmatch(url)
    return found is None or found[2] is not None


def on_server_of(url: str, other: str) -> str:
    """The same database on the server of `other`, with its parameters (`sslmode`) unless `url` has them."""
    found, there = _URL.fullmatch(url), _URL.fullmatch(other)
    if found is None or there is None:
        return url
    scheme, user, _, database, query = found.groups()
    own = [one for one in (query or "").split("&") if one]
    names = {one.partition("=")[0] for one in own}
    theirs = [one for one in (there[5] or "").split("&") if one and one.partition("=")[0] not in names]
    at = "" if user is None else f"{user}@"
    return f"{scheme}{at}{there[3]}{database}{_after('&'.join([*own, *theirs]))}"


def _after(query: str | None) -> str:
    return f"?{query}" if query else ""
