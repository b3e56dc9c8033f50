"""Passwords for roles that sign in to PostgreSQL on RDS, Aurora or RDS Proxy by IAM."""

from functools import cache
from typing import Any

from checkout.base.errors import Unavailable


def token(host: str, port: int, user: str) -> str:
    """A new one, made without asking anybody, with the credentials and the region of this process.

    It opens connections for 15 minutes, where the process may `rds-db:connect` as `user`. Raises Unavailable
    where there are no credentials.
    """
    from botocore.exceptions import BotoCoreError

    try:
        made: str = _client().generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
    except BotoCoreError as error:
        raise Unavailable(f"No token to sign in to PostgreSQL with: {type(error).__name__}.") from error
    return made


@cache
def _client() -> Any:
    # 0.5 s to import, and only here is it needed.
    import boto3

    return boto3.client("rds")
