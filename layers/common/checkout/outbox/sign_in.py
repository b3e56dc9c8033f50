"""How we sign in to Kafka: with name and password (SCRAM or PLAIN), or with IAM at MSK; always by TLS.

Functions return librdkafka settings; administration.py translates them for kafka-python.
"""

import base64
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, Unavailable

AMAZON_ROOTS = Path(__file__).parents[1] / "certificates" / "amazon-roots.pem"
"""What MSK's certificates chain to."""

_MECHANISMS = {"SCRAM": "SCRAM-SHA-512"}
"""Where KAFKA_SECURITY is not the mechanism's own name."""


def settings(config: Config) -> dict[str, Any]:
    """As KAFKA_SECURITY says. Raises ConfigurationError; Unavailable if Secrets Manager does not answer."""
    security = config.kafka_security
    if security == "PLAINTEXT":
        return {}
    root = config.kafka_root()
    trusted = _in_pem(root) if root else roots(config.kafka_ca_file or str(AMAZON_ROOTS))
    if security == "IAM":
        return iam(trusted)
    return by_password(_MECHANISMS.get(security, security), *config.kafka_credentials(), trusted)


def later(config: Config) -> Callable[[], dict[str, Any]]:
    """Gives the settings anew, since passwords change. Raises ConfigurationError at once, though."""
    with suppress(Unavailable):
        settings(config)
    return partial(settings, config)


def by_password(mechanism: str, username: str, password: str, trusted: str) -> dict[str, Any]:
    """`trusted` are certificates in PEM."""
    return {**_by_tls(mechanism, trusted), "sasl.username": username, "sasl.password": password}


def iam(trusted: str) -> dict[str, Any]:
    """Each producer takes a new token. What makes one is imported here: at init, not in the first event."""
    import boto3  # noqa: F401
    import botocore.auth  # noqa: F401

    return by_token(msk_token, trusted)


def by_token(make: Callable[[], str], trusted: str) -> dict[str, Any]:
    return {
        **_by_tls("OAUTHBEARER", trusted),
        "oauth_cb": lambda _: (make(), time.time() + timing.KAFKA_TOKEN),
    }


def _by_tls(mechanism: str, trusted: str) -> dict[str, Any]:
    return {"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism, "ssl.ca.pem": trusted}


@cache
def roots(file: str) -> str:
    """The certificates in a file. Raises ConfigurationError."""
    try:
        return _checked(Path(file).read_text("utf-8", errors="ignore"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"KAFKA_CA_FILE must be a file of certificates in PEM: {error}") from error


def _in_pem(root: str) -> str:
    try:
        return _checked(root)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"The certificate in KAFKA_ROOT_SECRET_ARN must be one in PEM: {error}"
        ) from error


def _checked(pem: str) -> str:
    """The certificates without non-ASCII characters, which comments may have and Python refuses. Raises
    OSError if there is no certificate, and ValueError if there is nothing."""
    pem = pem.encode("ascii", "ignore").decode()
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    return pem


def msk_token() -> str:
    """A new one, made without asking anybody: a request to connect, signed with our own credentials and good
    for 15 minutes, as MSK's own signers make it. Raises Unavailable if there are no credentials.
    """
    # 0.5 s to import, and only here is it needed.
    import boto3
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.exceptions import BotoCoreError

    session = boto3.Session()
    try:
        # With SnapStart, credentials are fetched from an endpoint, and expire.
        found, region = session.get_credentials(), session.region_name
        credentials = None if found is None else found.get_frozen_credentials()
    except BotoCoreError as error:
        raise Unavailable(f"No token to sign in to Kafka with: {type(error).__name__}.") from error
    if credentials is None or region is None:
        raise Unavailable("There are no AWS credentials, or no region, to sign in to Kafka with.")
    request = AWSRequest(
        "GET", f"https://kafka.{region}.amazonaws.com/", params={"Action": "kafka-cluster:Connect"}
    )
    SigV4QueryAuth(credentials, "kafka-cluster", region, expires=timing.KAFKA_TOKEN).add_auth(request)
    url = f"{request.url}&User-Agent=checkout"
    return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
