"""The URL of a database, and the password that goes with it."""

import re
from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.extensions

from checkout.base import timing
from checkout.base.errors import ConfigurationError

Token = Callable[[str, int, str], str]
"""Host, port and user to a password for them."""

OURS = {
    "application_name": "checkout",
    # A host that is gone does not answer, nor does a firewall that has forgotten the connection. Without
    # these limits and that of server_of, Linux waits for a quarter of an hour.
    "keepalives_idle": timing.DATABASE_SILENCE,
    "keepalives_interval": timing.DATABASE_SILENCE,
}
"""Parameters of every connection, unless its URL sets them."""

URL_FORM = "postgresql://user:password@host:port/name, with reserved characters as %XX"


def server_of(url: str, token: Token | None, *, connect_timeout_seconds: int) -> dict[str, Any]:
    """The parameters for psycopg2; those in the URL win. If there is a `token`, it makes the password.

    Raises ConfigurationError.
    """
    try:
        server: dict[str, Any] = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:
        server = {"port": ""}
    if not re.fullmatch(r"[0-9]+(,[0-9]+)*", server.get("port", "5432")):
        # And not as libpq says it, which may quote the password.
        raise ConfigurationError(f"A database's URL cannot be read: it must be {URL_FORM}.")
    if token is not None:
        if not {"host", "user"} <= server.keys():
            raise ConfigurationError(
                "With DATABASE_AUTH=IAM a database's URL must be postgresql://role@host/name."
            )
        server["password"] = token(server["host"], int(server.get("port", 5432)), server["user"])
    # Linux counts a connection's attempts, too, and a database that wakes up is waited for.
    silence = max(timing.DATABASE_SILENCE, connect_timeout_seconds)
    ours = {"connect_timeout": connect_timeout_seconds, "tcp_user_timeout": silence * 1000}
    return OURS | ours | server
