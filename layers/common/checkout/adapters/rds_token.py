"""Passwords for roles that sign in to PostgreSQL on RDS, Aurora or RDS Proxy by IAM."""

from functools import cache
from typing import Any


def token(host: str, port: int, user: str) -> str:
    """A new one, made without asking anybody, with the credentials and the region of this process.

    It opens connections for 15 minutes, where the process may `rds-db:connect` as `user`.
    """
    made: str = _client().generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    return made


@cache
def _client() -> Any:
    # 0.5 s to import, and only here is it needed.
    import boto3

    return boto3.client("rds")
