"""Whose name a database's URL has, and on which server it is. Pure."""

from urllib.parse import quote, urlsplit


def signed_in(url: str, role: str, password: str | None = None) -> str:
    """As this role, whomever the URL names."""
    parts = urlsplit(url)
    user = quote(role, safe="") if password is None else f"{quote(role, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}").geturl()


def names_somebody(url: str) -> bool:
    return "@" in urlsplit(url).netloc


def on_server_of(url: str, other: str) -> str:
    """The same database on the server of `other`, with its parameters (`sslmode`) unless `url` has them."""
    parts, there = urlsplit(url), urlsplit(other)
    user, at, _ = parts.netloc.rpartition("@")
    own = [one for one in parts.query.split("&") if one]
    names = {one.partition("=")[0] for one in own}
    theirs = [one for one in there.query.split("&") if one and one.partition("=")[0] not in names]
    netloc = f"{user}{at}{there.netloc.rpartition('@')[2]}"
    return parts._replace(netloc=netloc, query="&".join([*own, *theirs])).geturl()
