"""The keys of a JSON Web Key Set that may sign a user's token, and the algorithm of each. Pure.

The key decides the algorithm, never the token: otherwise somebody could sign with a published key as if it
were HS256's secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm

LEAST_RSA_BITS = 2048

_ALGORITHMS = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
"""By type and curve (RFC 7518, 6; RFC 8037). A symmetric key (`oct`) is not among them."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """`public_key` is a key of `cryptography`'s."""

    algorithm: str
    public_key: Any


def keys_of(key_set: Mapping[str, object]) -> dict[str, VerificationKey]:
    """The usable keys by `kid`; the first one counts if several have the same. Others are left out.

    Raises ValueError if the document has no list of keys.
    """
    listed = key_set.get("keys")
    if not isinstance(listed, list):
        raise ValueError("has no list of keys")
    found: dict[str, VerificationKey] = {}
    for one in listed:
        if isinstance(one, dict) and isinstance(kid := one.get("kid"), str) and kid not in found:
            key = _usable(one)
            if key is not None:
                found[kid] = key
    return found


def _usable(jwk: Mapping[str, Any]) -> VerificationKey | None:
    """None for a key that is not meant for signatures, is too weak, or whose secret half was published."""
    kty, curve = jwk.get("kty"), jwk.get("crv")
    algorithm = _ALGORITHMS.get((kty, curve)) if isinstance(kty, str) and _is_text_or_none(curve) else None
    if algorithm is None or "d" in jwk:
        return None
    if jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
        return None
    try:
        public_key = jwt.PyJWK(dict(jwk), algorithm).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    if algorithm == "RS256" and public_key.key_size < LEAST_RSA_BITS:
        return None
    return VerificationKey(algorithm, public_key)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)
