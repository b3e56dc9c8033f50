"""kafka-python's clients: they make topics, and read what consumer groups have committed."""

import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from kafka.net.sasl.oauth import AbstractTokenProvider

from checkout.base.config import Config
from checkout.outbox import sign_in


def options(config: Config, brokers: Sequence[str]) -> dict[str, Any]:
    """A client's. Raises ConfigurationError; Unavailable if Secrets Manager does not answer."""
    servers = {"bootstrap_servers": brokers, "api_version": config.kafka_api_version}
    return {**servers, **translated(sign_in.settings(config))}


def translated(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What sign_in.py gives, as kafka-python calls it."""
    if not settings:
        return {}
    by_tls = {
        "security_protocol": settings["security.protocol"],
        "ssl_context": _tls_context(settings["ssl.ca.pem"]),
        "sasl_mechanism": settings["sasl.mechanism"],
    }
    if "oauth_cb" in settings:
        return {**by_tls, "sasl_oauth_token_provider": _Tokens(settings["oauth_cb"])}
    account = settings["sasl.username"], settings["sasl.password"]
    return {**by_tls, "sasl_plain_username": account[0], "sasl_plain_password": account[1]}


@cache
def _tls_context(pem: str) -> ssl.SSLContext:
    """One for all connections: kafka-python would make one for each."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=pem)
    return context


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Each connection takes a new one."""

    def __init__(self, make: Callable[[str], tuple[str, float]]) -> None:
        super().__init__()
        self._make = make

    def token(self) -> str:
        return self._make("")[0]
