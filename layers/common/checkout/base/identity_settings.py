"""Settings of users' identities: whose tokens are accepted, and what users' ids are."""

from collections.abc import Mapping, Sequence

from checkout.base import setting, user_ids
from checkout.base.errors import ConfigurationError
from checkout.base.setting import Setting

SUBJECT: Sequence[str] = ("sub",)


class IdentitySettings:
    environment: Mapping[str, str]

    jwt_jwks_url = Setting(
        "JWT_JWKS_URL",
        setting.fetchable,
        "the identity provider that signs the users' tokens: its key set, or its"
        " `…/.well-known/openid-configuration`; needs `JWT_ISSUER` and `JWT_AUDIENCE`",
    )
    jwt_audiences = Setting(
        "JWT_AUDIENCE",
        setting.audiences,
        "`aud` that tokens must have; a token without `aud` is judged by its `client_id`, or else `azp`; of"
        " several, comma-separated, one is enough",
        default=frozenset[str](),
    )
    jwt_issuer = Setting("JWT_ISSUER", setting.optional_text, "`iss` that tokens must have")
    jwt_user_claim = Setting(
        "JWT_USER_CLAIM",
        setting.claim,
        "which claim names the account: `org_id`, or a JSON Pointer such as `/o/id`; one that never passes"
        " to somebody else, so no email",
        default=SUBJECT,
    )
    jwt_max_age_seconds = Setting(
        "JWT_MAX_AGE_SECONDS",
        setting.number,
        "how long a user's token may live, whatever its `exp` says",
        default=86_400,
    )
    user_ids = Setting(
        "USER_ID_TYPE",
        user_ids.of,
        "what users' ids are: `bigint`, `uuid` or `text`, as in the application's table; chosen once",
        default=user_ids.BIGINT,
    )

    def require_identity(self) -> None:
        """Raises ConfigurationError if tokens made for another application would be accepted: the tenants of
        an identity provider can share a key set."""
        if self.jwt_jwks_url is not None:
            for name, value in (("JWT_ISSUER", self.jwt_issuer), ("JWT_AUDIENCE", self.jwt_audiences)):
                if not value:
                    raise ConfigurationError(
                        f"{name} is not set, and JWT_JWKS_URL needs it: its keys may sign other"
                        " applications' tokens, too."
                    )
