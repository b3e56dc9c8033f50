"""Who is calling: a user by JWT, or a service by its token."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from checkout.api.tokens import Tokens
from checkout.base import telemetry
from checkout.base.errors import InvalidRequest, MissingScope, NotAuthenticated
from checkout.base.services import Service
from checkout.base.text import email_address
from checkout.base.user_ids import BIGINT, UserId, UserIds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, or a `service`, which has no account of its own and names the user. `email` is the one in a
    user's token, unless the token says that it is not verified."""

    user_id: UserId | None
    email: str | None = None
    service: Service | None = None

    def require(self, scope: str) -> None:
        """Raises MissingScope for a service that may not do this. A user may do all that is open to users."""
        if self.service is not None and scope not in self.service.scopes:
            raise MissingScope(f"This service's token does not have the scope {scope}.")


class Authenticator:
    """Checks tokens. The secrets are read at every call, since they may be rotated. `refresh` fetches them
    again and returns True if they changed: then a token that was not valid is checked a second time."""

    def __init__(
        self,
        tokens: Tokens,
        services: Callable[[], Sequence[Service]],
        refresh: Callable[[], bool],
        *,
        user_claim: Sequence[str] = ("sub",),
        user_ids: UserIds = BIGINT,
    ) -> None:
        """`user_claim` are the names that lead to the claim with the account's id, from object to object."""
        self._tokens = tokens
        self._services = services
        self._refresh = refresh
        self._user_claim = user_claim
        self._user_ids = user_ids

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Raises NotAuthenticated, or InvalidRequest if there is a valid token of each kind; Unavailable if
        the identity provider does not answer."""
        authorization = headers.get("authorization")
        service_token = headers.get("x-service-token")
        if authorization is None and service_token is None:
            raise NotAuthenticated("Send a user's token as Authorization: Bearer, or an X-Service-Token.")
        user = None
        if authorization is not None:
            user = self._twice(lambda: self._user(authorization))
            if user is None:
                raise NotAuthenticated("The bearer token is not valid.")
        service = None
        if service_token is not None:
            service = self._twice(lambda: self._service(service_token))
            if service is None:
                raise NotAuthenticated("The service token is not valid.")
        if authorization is not None and service_token is not None:
            raise InvalidRequest("Send either Authorization or X-Service-Token, not both.")
        if service is not None:
            telemetry.logger.append_keys(caller=service.label)
        return Caller(None, service=service) if user is None else user

    def user(self, headers: Mapping[str, str]) -> UserId:
        """The user's id. Raises NotAuthenticated for a service, which has no account of its own."""
        user_id = self.caller(headers).user_id
        if user_id is None:
            raise NotAuthenticated("This needs a user's token.")
        return user_id

    def _twice(self, check: Callable[[], T | None]) -> T | None:
        result = check()
        return check() if result is None and self._refresh() else result

    def _service(self, token: str) -> Service | None:
        given = token.encode("utf-8", "surrogateescape")
        # All are compared, so the time does not tell which one is almost right.
        matches = [
            service
            for service in self._services()
            for known in service.tokens
            if hmac.compare_digest(given, known.encode())
        ]
        return matches[0] if matches else None

    def _user(self, authorization: str) -> Caller | None:
        scheme, _, token = authorization.partition(" ")
        claims = self._tokens.claims(token.strip()) if scheme.lower() == "bearer" else None
        if claims is None:
            return None
        user_id = self._user_ids.from_text(_named(claims, self._user_claim))
        if user_id is None:
            return None
        is_verified = claims.get("email_verified", True) is True
        return Caller(user_id, email_address(claims.get("email")) if is_verified else None)


def _named(claims: object, names: Sequence[str]) -> object:
    """What the names lead to; None if there is no such claim. No list is looked into: its order changes."""
    for name in names:
        claims = claims.get(name) if isinstance(claims, Mapping) else None
    return claims
