"""A user's token (JWT): who signed it, for whom, and which account it names."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from checkout.api.identity_provider import IdentityProvider

LEEWAY_SECONDS = 30
MAX_AGE_SECONDS = 86_400

SYMMETRIC = "HS256"

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must say. `audiences`: one of them is in `aud`; of a token without `aud` it is its
    `client_id`, or else its `azp`. With none, audience is not checked; with `issuer` None, nor is that.

    `max_age_seconds` is how long a token may be valid: from its `iat`, and from now on.
    """

    audiences: frozenset[str] = frozenset()
    issuer: str | None = None
    max_age_seconds: int = MAX_AGE_SECONDS


class Tokens:
    def __init__(
        self,
        secrets: Callable[[], Sequence[str]],
        rules: Rules,
        provider: "IdentityProvider | None" = None,
    ) -> None:
        """`secrets` are HS256's, read at every call; with none of them, only the provider's keys count."""
        self._secrets = secrets
        self._rules = rules
        self._provider = provider

    def claims(self, token: str) -> Claims | None:
        """What the token says, if it is valid; else None.

        Raises Unavailable if the provider that would decide it does not answer.
        """
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        if header.get("alg") == SYMMETRIC:
            found = (self._signed(token, SYMMETRIC, secret) for secret in self._secrets())
            return next((claims for claims in found if claims is not None), None)
        kid = header.get("kid")
        if self._provider is None or not isinstance(kid, str):
            return None
        key = self._provider.key(kid)
        return None if key is None else self._signed(token, key.algorithm, key.public_key)

    def _signed(self, token: str, algorithm: str, key: Any) -> Claims | None:
        try:
            claims: Claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._rules.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp"], "verify_aud": False},
            )
            is_valid = self._is_for_us(claims) and not self._lives_too_long(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        return claims if is_valid else None

    def _is_for_us(self, claims: Claims) -> bool:
        """Cognito's access tokens have no `aud`, but `client_id`; Clerk's sessions have `azp` alone."""
        if not self._rules.audiences:
            return True
        named = next((claims[name] for name in ("aud", "client_id", "azp") if name in claims), None)
        listed = named if isinstance(named, list) else [named]
        return any(isinstance(one, str) and one in self._rules.audiences for one in listed)

    def _lives_too_long(self, claims: Claims) -> bool:
        """True if the token is valid for longer than we allow: until `exp` anybody who has it can use it."""
        now = int(time.time()) + LEEWAY_SECONDS
        return int(claims["exp"]) - min(now, int(claims.get("iat", now))) > self._rules.max_age_seconds
