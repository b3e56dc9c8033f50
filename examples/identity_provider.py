"""An identity provider on this machine: key pairs, an OpenID configuration, and tokens signed with them.

It stands for Amazon Cognito, Auth0, Clerk and others, which publish their keys in the same way.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

CONFIGURATION = "/.well-known/openid-configuration"
KEYS = "/.well-known/jwks.json"

Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers and body."""

_MAKERS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "RS256": (
        lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
        lambda key: RSAAlgorithm.to_jwk(key, as_dict=True),
    ),
    "ES256": (
        lambda: ec.generate_private_key(ec.SECP256R1()),
        lambda key: ECAlgorithm.to_jwk(key, as_dict=True),
    ),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, lambda key: OKPAlgorithm.to_jwk(key, as_dict=True)),
}


class Provider:
    """The provider that `serving` runs. `jwks` is what it publishes, and may be changed."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.jwks: list[dict[str, Any]] = []
        self.asked: list[str] = []
        """The paths of all requests."""
        self.answers: dict[str, Callable[[], Answer]] = {
            CONFIGURATION: lambda: _json({"issuer": self.issuer, "jwks_uri": f"{self.issuer}{KEYS}"}),
            KEYS: lambda: _json({"keys": self.jwks}),
        }
        self._private: dict[str, tuple[str, Any]] = {}

    @property
    def configuration_url(self) -> str:
        return self.issuer + CONFIGURATION

    @property
    def keys_url(self) -> str:
        return self.issuer + KEYS

    def add_key(self, kid: str, algorithm: str = "RS256", *, is_published: bool = True) -> None:
        """Make a key pair for RS256, ES256 or EdDSA, and publish its public half."""
        make, to_jwk = _MAKERS[algorithm]
        private = make()
        self._private[kid] = algorithm, private
        if is_published:
            self.jwks.append({**to_jwk(private.public_key()), "kid": kid, "alg": algorithm, "use": "sig"})

    def token(self, kid: str, claims: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        """A token that is valid for ten minutes, unless the claims say something else. None leaves out."""
        algorithm, private = self._private[kid]
        now = int(time.time())
        content = {"iss": self.issuer, "iat": now, "exp": now + 600, **claims}
        headers = {"typ": "JWT", "kid": kid, **(header or {})}
        return jwt.api_jws.encode(
            json.dumps(_without_none(content)).encode(), private, algorithm, headers=_without_none(headers)
        )


def _without_none(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in content.items() if value is not None}


@contextmanager
def serving(port: int = 0) -> Iterator[Provider]:
    """A provider at a loopback address; the port is a free one unless it is given."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.asked.append(self.path)
            answer = provider.answers.get(self.path, lambda: (404, {}, b""))
            status, headers, body = answer()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _json(content: Mapping[str, Any]) -> Answer:
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()
