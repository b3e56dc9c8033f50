"""Passwords for roles that sign in to PostgreSQL on RDS, Aurora or RDS Proxy by IAM."""

import boto3
from botocore.exceptions import BotoCoreError

from checkout.base.errors import Unavailable


class RdsTokens:
    """Makes them without asking anybody, with the credentials and the region of this process."""

    def __init__(self) -> None:
        """Raises Unavailable if there is no region."""
        try:
            self._client = boto3.client("rds")
        except BotoCoreError as error:
            raise _unavailable(error) from error

    def __call__(self, host: str, port: int, user: str) -> str:
        """A new one. It opens connections for 15 minutes, if the process may `rds-db:connect` as `user`.

        Raises Unavailable if there are no credentials.
        """
        try:
            made: str = self._client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
        except BotoCoreError as error:
            raise _unavailable(error) from error
        return made


def _unavailable(error: BotoCoreError) -> Unavailable:
    return Unavailable(f"No token to sign in to PostgreSQL with: {type(error).__name__}.")
