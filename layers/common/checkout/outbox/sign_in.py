"""How we sign in to Kafka: by name and password (SCRAM), or as MSK has it by IAM; both by TLS.

What gives options, gives those of a kafka-python client.
"""

import base64
import ssl
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, Unavailable

AMAZON_ROOTS = Path(__file__).parents[1] / "certificates" / "amazon-roots.pem"
"""What MSK's certificates chain to."""


def options(config: Config) -> dict[str, Any]:
    """As KAFKA_SECURITY says."""
    match config.kafka_security:
        case "SCRAM":
            return scram(*config.kafka_credentials(), config.kafka_ca_file)
        case "IAM":
            return iam(config.kafka_ca_file)
        case _:
            return {}


def client(config: Config) -> dict[str, Any]:
    """With the brokers, too."""
    servers = {"bootstrap_servers": config.kafka_brokers, "api_version": config.kafka_api_version}
    return {**servers, **options(config)}


def scram(username: str, password: str, ca_file: str | None) -> dict[str, Any]:
    return {
        **_by_tls(ca_file),
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": username,
        "sasl_plain_password": password,
    }


def iam(ca_file: str | None) -> dict[str, Any]:
    """Each connection takes a new token. What makes one is imported here: at init, not in the first event."""
    import boto3  # noqa: F401
    import botocore.auth  # noqa: F401

    return {
        **_by_tls(ca_file),
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_oauth_token_provider": Tokens(msk_token),
    }


def _by_tls(ca_file: str | None) -> dict[str, Any]:
    return {"security_protocol": "SASL_SSL", "ssl_context": tls_context(ca_file or str(AMAZON_ROOTS))}


@cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """One for all connections: kafka-python would read the file again for each. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca_file)
    except OSError as error:
        raise ConfigurationError(f"KAFKA_CA_FILE must be a file of certificates in PEM: {error}") from error
    return context


class Tokens(AbstractTokenProvider):  # type: ignore[misc]
    def __init__(self, make: Callable[[], str]) -> None:
        super().__init__()
        self._make = make

    def token(self) -> str:
        return self._make()


def msk_token() -> str:
    """A new one, made without asking anybody: a request to connect, signed with our own credentials and good
    for 15 minutes, as MSK's own signers make it. Raises Unavailable if there are no credentials.
    """
    # 0.5 s to import, and only here is it needed.
    import boto3
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest

    session = boto3.Session()
    credentials, region = session.get_credentials(), session.region_name
    if credentials is None or region is None:
        raise Unavailable("There are no AWS credentials, or no region, to sign in to Kafka with.")
    request = AWSRequest(
        "GET", f"https://kafka.{region}.amazonaws.com/", params={"Action": "kafka-cluster:Connect"}
    )
    SigV4QueryAuth(
        credentials.get_frozen_credentials(), "kafka-cluster", region, expires=timing.KAFKA_TOKEN
    ).add_auth(request)
    url = f"{request.url}&User-Agent=checkout"
    return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
