"""Who is calling: a user by JWT, or a service by its token."""

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import jwt

from checkout.base.errors import InvalidRequest, NotAuthenticated
from checkout.base.text import email_address, user_id_from_digits

LEEWAY_SECONDS = 30
MAX_AGE_SECONDS = 86_400

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """`user_id` is None for a service, which names the user in the body. `email` is the one in a user's
    token, unless the token says that it is not verified."""

    user_id: int | None
    email: str | None = None


class Authenticator:
    """Checks tokens. The secrets are read at every call, since they may be rotated. `refresh` fetches them
    again and returns True if they changed: then a token that was not valid is checked a second time."""

    def __init__(
        self,
        jwt_secrets: Callable[[], Sequence[str]],
        service_tokens: Callable[[], Sequence[str]],
        refresh: Callable[[], bool],
        *,
        audience: str | None = None,
        issuer: str | None = None,
        max_age_seconds: int = MAX_AGE_SECONDS,
    ) -> None:
        """`max_age_seconds` is how long a user's token may be valid: from its `iat`, and from now on."""
        self._jwt_secrets = jwt_secrets
        self._service_tokens = service_tokens
        self._refresh = refresh
        self._audience = audience
        self._issuer = issuer
        self._max_age_seconds = max_age_seconds

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Raises NotAuthenticated, or InvalidRequest if there is a valid token of each kind."""
        authorization = headers.get("authorization")
        service_token = headers.get("x-service-token")
        if authorization is None and service_token is None:
            raise NotAuthenticated("Send a user's token as Authorization: Bearer, or an X-Service-Token.")
        user = None
        if authorization is not None:
            user = self._twice(lambda: self._user(authorization))
            if user is None:
                raise NotAuthenticated("The bearer token is not valid.")
        if service_token is not None and not self._twice(lambda: self._is_service(service_token) or None):
            raise NotAuthenticated("The service token is not valid.")
        if authorization is not None and service_token is not None:
            raise InvalidRequest("Send either Authorization or X-Service-Token, not both.")
        return Caller(None) if user is None else user

    def user(self, headers: Mapping[str, str]) -> int:
        """The user's id. Raises NotAuthenticated for a service, which has no account of its own."""
        user_id = self.caller(headers).user_id
        if user_id is None:
            raise NotAuthenticated("This needs a user's token.")
        return user_id

    def _twice(self, check: Callable[[], T | None]) -> T | None:
        result = check()
        return check() if result is None and self._refresh() else result

    def _is_service(self, token: str) -> bool:
        given = token.encode("utf-8", "surrogateescape")
        matches = [hmac.compare_digest(given, known.encode()) for known in self._service_tokens()]
        return any(matches)

    def _user(self, authorization: str) -> Caller | None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = (self._claimed(token.strip(), secret) for secret in self._jwt_secrets())
        return next((user for user in found if user is not None), None)

    def _claimed(self, token: str, secret: str) -> Caller | None:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
            )
            lives_too_long = self._lives_too_long(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None
        user_id = user_id_from_digits(claims["sub"])
        if lives_too_long or user_id is None:
            return None
        is_verified = claims.get("email_verified", True) is True
        return Caller(user_id, email_address(claims.get("email")) if is_verified else None)

    def _lives_too_long(self, claims: Mapping[str, Any]) -> bool:
        """True if the token is valid for longer than we allow: until `exp` anybody who has it can use it."""
        now = int(time.time()) + LEEWAY_SECONDS
        return int(claims["exp"]) - min(now, int(claims.get("iat", now))) > self._max_age_seconds
