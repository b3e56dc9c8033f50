"""Apache Kafka with a listener as MSK has it: by TLS, with a password (SCRAM) or a token (OAUTHBEARER)."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from local import processes
from local.kafka.apache import ApacheKafka
from tests.support.apache_kafka import share_jars
from tests.support.tls import Authority

TOPIC = "checkout.finished"
USER, PASSWORD = "checkout", "correct horse"
SECONDS = 10.0
_BEARER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class Secure:
    """A node with a second listener, which admits only who has signed in."""

    def __init__(
        self,
        folder: Path,
        topics: Mapping[str, int] = MappingProxyType({TOPIC: 3}),
        properties: Mapping[str, str] = MappingProxyType({}),
        *,
        token_seconds: int = 3,
    ) -> None:
        """`topics` by name, with their partitions; `properties` are further settings of the node.
        After `token_seconds` it ends a connection, whatever its token says."""
        self.authority = Authority(folder, "ours")
        self.other = Authority(folder, "other")
        self.port = processes.free_port()
        certificate, key = self.authority.issue("127.0.0.1").read_text().split("-----END CERTIFICATE-----\n")
        chain = f"{certificate}-----END CERTIFICATE-----\n"
        data = folder / "data"
        share_jars(data)
        listener = "listener.name.secure"
        self.node = ApacheKafka(
            topics,
            data,
            properties={
                "listeners": "PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}"
                f",SECURE://{{host}}:{self.port}",
                "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
                f"{listener}.ssl.keystore.type": "PEM",
                f"{listener}.ssl.keystore.certificate.chain": chain.replace("\n", "\\n"),
                f"{listener}.ssl.keystore.key": key.replace("\n", "\\n"),
                f"{listener}.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER",
                f"{listener}.scram-sha-512.sasl.jaas.config": f"{_SCRAM} required;",
                f"{listener}.scram-sha-256.sasl.jaas.config": f"{_SCRAM} required;",
                f"{listener}.plain.sasl.jaas.config": f'{_PLAIN} required user_{USER}="{PASSWORD}";',
                f"{listener}.oauthbearer.sasl.jaas.config": f"{_BEARER} required"
                ' unsecuredLoginStringClaim_sub="broker";',
                f"{listener}.oauthbearer.connections.max.reauth.ms": f"{1000 * token_seconds}",
                **properties,
            },
        )
        self.node.start()
        self.add_user(USER, PASSWORD)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add_user(self, name: str, password: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.node.address})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
            info = ScramCredentialInfo(mechanism, 4096)
            change = UserScramCredentialUpsertion(name, info, password.encode())
            for done in admin.alter_user_scram_credentials([change]).values():
                done.result(SECONDS)


def unsecured(seconds: float = 300) -> str:
    """A token of a signer that the test's node believes: a JWT without a signature."""
    now = time.time()
    parts: list[dict[str, Any]] = [
        {"alg": "none"},
        {"sub": "checkout", "iat": now - 600, "exp": now + seconds},
    ]
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join(encoded) + "."
