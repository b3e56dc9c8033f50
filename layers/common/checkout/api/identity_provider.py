"""The keys of the identity provider that signs the users' tokens, read over HTTP and kept.

They are read at the first token, again after fifteen minutes, and at once for a key that is not known; but at
most once a minute, whether that fails or not. So neither a provider that is away nor tokens with made-up key
ids cost more than one wait a minute in an execution environment.
"""

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from checkout.api import https_get
from checkout.api.key_set import VerificationKey, keys_of
from checkout.base import redirects, strict_json, telemetry, timing
from checkout.base.errors import Unavailable

DISCOVERY = "/.well-known/openid-configuration"
"""What the path of an OpenID configuration ends with; any other address is that of a key set."""


class IdentityProvider:
    def __init__(self, url: str, issuer: str) -> None:
        """`issuer` is whom an OpenID configuration at `url` must name. Nothing is fetched yet."""
        self._url = url
        self._issuer = issuer
        self._keys: Mapping[str, VerificationKey] = {}
        self._read_at = float("-inf")
        self._asked_at = float("-inf")
        self._is_away = True

    def key(self, kid: str) -> VerificationKey | None:
        """The key of this id; None if the provider has no such key.

        Raises Unavailable if the provider does not answer, and what was read before does not decide it.
        """
        now = time.time()
        is_due = kid not in self._keys or now - self._read_at >= timing.PROVIDER_KEEP
        if is_due and now - self._asked_at >= timing.PROVIDER_PAUSE:
            self._read()
        is_usable = time.time() - self._read_at < timing.PROVIDER_KEEP_AT_MOST
        if is_usable and (kid in self._keys or not self._is_away):
            return self._keys.get(kid)
        raise Unavailable("The identity provider does not answer.")

    def require(self) -> None:
        """Read the keys now. Raises Unavailable, which says what is wrong with the provider's answer."""
        problem = self._read()
        if problem is None and not self._keys:
            problem = "has no usable key: one of RS256, ES256 or EdDSA, with a kid (docs/architecture.md)"
        if problem is not None:
            raise Unavailable(f"JWT_JWKS_URL {problem}.")

    def _read(self) -> str | None:
        """Read the keys; what was read before stays if that fails. Returns what is wrong, or None."""
        # Before the answer: one that does not come must not be asked for at every request either.
        self._asked_at = time.time()
        try:
            self._keys = keys_of(self._key_set(time.monotonic() + timing.PROVIDER_READ))
        except OSError as error:
            problem = f"does not answer ({type(error).__name__})"
        except ValueError as error:
            problem = str(error)
        else:
            self._is_away = False
            self._read_at = time.time()
            return None
        self._is_away = True
        telemetry.logger.error("the identity provider's keys could not be read", extra={"reason": problem})
        return problem

    def _key_set(self, deadline: float) -> Mapping[str, object]:
        if not urlsplit(self._url).path.endswith(DISCOVERY):
            return self._document(self._url, deadline)
        configuration = self._document(self._url, deadline)
        if configuration.get("issuer") != self._issuer:
            raise ValueError("names another issuer than JWT_ISSUER")
        jwks_uri = configuration.get("jwks_uri")
        if not isinstance(jwks_uri, str) or not redirects.is_fetchable(jwks_uri):
            raise ValueError("has no jwks_uri that is https")
        return self._document(jwks_uri, deadline)

    def _document(self, url: str, deadline: float) -> dict[str, object]:
        body = https_get.body_of(url, deadline - time.monotonic())
        try:
            return strict_json.object_from(body)
        except strict_json.NotJson as error:
            raise ValueError(f"cannot be read: {error}") from error
