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


def on_server_of(url: str, other: str, role: str | None = None) -> str:
    """The same database on the server of `other`; if there is a `role`, as that instead of the user in `url`.
    The TLS parameters are those of `other`, since they belong to its server. Its other parameters are added
    unless `url` has them."""
    found, there = _URL.fullmatch(url), _URL.fullmatch(other)
    if found is None or there is None:
        return url
    scheme, user, _, database, query = found.groups()
    own, theirs = _parameters(query), _parameters(there[5])
    of_tls = {name for name in theirs if name.startswith("ssl")}
    query = "&".join({**own, **theirs, **{name: own[name] for name in own.keys() - of_tls}}.values())
    at = "" if user is None else f"{user}@"
    moved = f"{scheme}{at}{there[3]}{database}{_after(query)}"
    return moved if role is None else signed_in(moved, role)


def _parameters(query: str | None) -> dict[str, str]:
    """Each `name=value` of a query, by its name."""
    return {one.partition("=")[0]: one for one in (query or "").split("&") if one}


def _after(query: str | None) -> str:
    return f"?{query}" if query else ""
