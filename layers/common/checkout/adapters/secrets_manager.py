"""The application's secrets on AWS: one JSON object in Secrets Manager."""

import json
import time
from typing import Any

KEEP_SECONDS = 300
REFRESH_EVERY_SECONDS = 10
"""A caller with a wrong token must not make us ask Secrets Manager at every request."""


class SecretsManager:
    """Asked at the first need, never at import, and again after five minutes."""

    def __init__(self, secret_arn: str) -> None:
        self._secret_arn = secret_arn
        self._client: Any = None
        self._values: dict[str, str] = {}
        self._read_at = float("-inf")

    def get(self, name: str) -> str | None:
        if time.time() - self._read_at > KEEP_SECONDS:
            self._read()
        return self._values.get(name)

    def refresh(self) -> bool:
        """Read again, unless that was done a moment ago. True where a value has changed."""
        if time.time() - self._read_at < REFRESH_EVERY_SECONDS:
            return False
        before = self._values
        self._read()
        return self._values != before

    def _read(self) -> None:
        if self._client is None:
            # 0.5 s to import, and only here is it needed.
            import boto3

            self._client = boto3.client("secretsmanager")
        answer = self._client.get_secret_value(SecretId=self._secret_arn)
        self._values = json.loads(answer["SecretString"])
        self._read_at = time.time()
