"""How we sign in to Kafka: by name and password (SCRAM or PLAIN), or as MSK has it by IAM; always by TLS.

What gives options, gives those of a kafka-python client.
"""

import base64
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, Unavailable

AMAZON_ROOTS = Path(__file__).parents[1] / "certificates" / "amazon-roots.pem"
"""What MSK's certificates chain to."""

_MECHANISMS = {"SCRAM": "SCRAM-SHA-512"}
"""Where KAFKA_SECURITY is not the mechanism's own name."""


def options(config: Config) -> dict[str, Any]:
    """As KAFKA_SECURITY says. Raises ConfigurationError; Unavailable if Secrets Manager does not answer."""
    security = config.kafka_security
    if security == "PLAINTEXT":
        return {}
    root = config.kafka_root()
    trusted = tls_context(ca_data=root) if root else tls_context(config.kafka_ca_file or str(AMAZON_ROOTS))
    if security == "IAM":
        return iam(trusted)
    return by_password(_MECHANISMS.get(security, security), *config.kafka_credentials(), trusted)


def later(config: Config) -> Callable[[], dict[str, Any]]:
    """Gives the options anew, since passwords change. Raises ConfigurationError at once, though."""
    with suppress(Unavailable):
        options(config)
    return partial(options, config)


def client(config: Config) -> dict[str, Any]:
    """With the brokers, too."""
    servers = {"bootstrap_servers": config.kafka_brokers, "api_version": config.kafka_api_version}
    return {**servers, **options(config)}


def by_password(mechanism: str, username: str, password: str, trusted: ssl.SSLContext) -> dict[str, Any]:
    return {
        **_by_tls(trusted),
        "sasl_mechanism": mechanism,
        "sasl_plain_username": username,
        "sasl_plain_password": password,
    }


def iam(trusted: ssl.SSLContext) -> dict[str, Any]:
    """Each connection takes a new token. What makes one is imported here: at init, not in the first event."""
    import boto3  # noqa: F401
    import botocore.auth  # noqa: F401

    return {
        **_by_tls(trusted),
        "sasl_mechanism": "OAUTHBEARER",
        "sasl_oauth_token_provider": Tokens(msk_token),
    }


def _by_tls(trusted: ssl.SSLContext) -> dict[str, Any]:
    return {"security_protocol": "SASL_SSL", "ssl_context": trusted}


@cache
def tls_context(ca_file: str | None = None, ca_data: str | None = None) -> ssl.SSLContext:
    """One for all connections: kafka-python would read the file again for each. Raises ConfigurationError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_data is not None:
            context.load_verify_locations(cadata=ca_data)
        else:
            context.load_verify_locations(ca_file)
    except OSError as error:
        what = "KAFKA_CA_FILE must be a file of certificates"
        if ca_data is not None:
            what = "The certificate in KAFKA_ROOT_SECRET_ARN must be one"
        raise ConfigurationError(f"{what} in PEM: {error}") from error
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
