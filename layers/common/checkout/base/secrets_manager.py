"""One secret in Secrets Manager: a JSON object with several values."""

import json
import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from checkout.base import timing
from checkout.base.errors import ConfigurationError, Unavailable


class SecretsManager:
    """Asked at the first need, and again after five minutes.

    Each method raises Unavailable if Secrets Manager does not answer or refuses, and ConfigurationError
    if the secret is no JSON object.
    """

    def __init__(self, secret_arn: str) -> None:
        self._secret_arn = secret_arn
        self._client: Any = None
        self._is_asked = True
        self._values: dict[str, Any] = {}
        self._read_at = float("-inf")
        self._asked_at = float("-inf")

    def connect(self) -> None:
        """Make the client, which opens no connection yet. To import boto3 takes 0.5 s."""
        if self._client is not None:
            return
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        impatient = Config(
            connect_timeout=timing.SECRETS_CONNECT,
            read_timeout=timing.SECRETS_READ,
            retries={"total_max_attempts": timing.SECRETS_ATTEMPTS},
        )
        try:
            self._client = boto3.client("secretsmanager", config=impatient)
        except BotoCoreError as error:
            raise Unavailable("Secrets Manager does not answer.") from error

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Within the block whatever would ask raises Unavailable instead, with the client made."""
        self._is_asked = False
        try:
            yield
        finally:
            self._is_asked = True

    def get(self, name: str) -> str | None:
        if time.time() - self._read_at > timing.SECRETS_KEEP:
            self._read()
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise ConfigurationError(f"{name} in Secrets Manager must be a text.")
        return value

    def refresh(self) -> bool:
        """Read again, unless that was tried a moment ago. True if a value has changed.

        What is kept stays good for its five minutes, also while Secrets Manager is away.
        """
        if time.time() - self._asked_at < timing.SECRETS_REFRESH:
            return False
        before = self._values
        try:
            self._read()
        except Unavailable as error:
            if time.time() - self._read_at > timing.SECRETS_KEEP:
                raise
            # Heavy to import, and the page's function reads its settings without.
            from checkout.base import telemetry

            telemetry.logger.warning("secrets could not be read again", extra={"reason": error.detail})
            return False
        return self._values != before

    def generate_missing(self, names: Collection[str]) -> list[str]:
        """Give those that the secret lacks a random value, and return their names; the others stay."""
        return self._fill({name: secrets.token_hex(32) for name in names})

    def copy_missing(self, source: "SecretsManager", prefix: str) -> list[str]:
        """Take over what the source has under names with this prefix and this one lacks; return the names."""
        source._read()
        return self._fill({name: value for name, value in source._values.items() if name.startswith(prefix)})

    def _fill(self, values: Mapping[str, str]) -> list[str]:
        self._read()
        missing = [name for name in values if values[name] and not self._values.get(name)]
        if missing:
            filled = self._values | {name: values[name] for name in missing}
            self._ask("put_secret_value", SecretString=json.dumps(filled))
            self._values = filled
        return missing

    def _read(self) -> None:
        if not self._is_asked:
            self.connect()
            raise Unavailable("Secrets Manager is not asked yet.")
        # Before the answer: one that does not come must not be asked for at every request either.
        self._asked_at = time.time()
        answer = self._ask("get_secret_value")
        try:
            values = json.loads(answer["SecretString"])
        except (KeyError, ValueError):
            values = None
        if not isinstance(values, dict):
            raise ConfigurationError(
                "The secret in Secrets Manager must be a JSON object of names and values."
            )
        # What is JSON itself can be written as it is, or as a text.
        self._values = {
            name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()
        }
        self._read_at = time.time()

    def _ask(self, operation: str, **parameters: str) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        self.connect()
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(SecretId=self._secret_arn, **parameters)
        except ClientError as error:
            if is_empty(error.response):
                return {"SecretString": "{}"}
            raise Unavailable(f"Secrets Manager refuses: {error.response['Error']['Code']}.") from error
        except BotoCoreError as error:
            raise Unavailable("Secrets Manager does not answer.") from error
        return answer


def is_empty(refusal: Mapping[str, Any]) -> bool:
    """Return True if the secret is there, and nothing was ever put into it, as the template makes it.

    `refusal` is boto3's. A secret that is not there has the same code.
    """
    found = refusal["Error"]
    return found["Code"] == "ResourceNotFoundException" and "staging label: AWSCURRENT" in found["Message"]
