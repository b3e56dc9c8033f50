"""The services that may call the API, as the secret SERVICES has them: names, tokens and scopes. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from checkout.base import strict_json

SESSIONS = "sessions"
SCOPES = (SESSIONS, "balances:read", "balances:spend", "balances:grant")
LEAST_CHARACTERS = 20

_NAME = re.compile(r"[a-z0-9-]{1,40}", re.ASCII)
_TOKEN = re.compile(r"[!-~]+", re.ASCII)
"""What an HTTP header can carry without blanks."""


@dataclass(frozen=True, slots=True)
class Service:
    """Any of the `tokens` is good: two, while one is rotated. `name` is None for CHECKOUT_SERVICE_TOKEN's."""

    name: str | None
    tokens: tuple[str, ...]
    scopes: frozenset[str]

    @property
    def label(self) -> str:
        """Who it is in logs and ledger entries."""
        return "service" if self.name is None else f"service:{self.name}"


def services(text: str) -> tuple[Service, ...]:
    """Of `{"shop": {"tokens": ["…"], "scopes": ["sessions"]}}`.

    Raises ValueError, which never has a token in it.
    """
    try:
        listed = strict_json.object_from(text.encode("utf-8", "surrogatepass"))
    except strict_json.NotJson as error:
        raise ValueError(f"cannot be read: {error}") from None
    found = tuple(_service(name, one) for name, one in listed.items())
    require_different(found)
    return found


def require_different(found: tuple[Service, ...]) -> None:
    """Raises ValueError if one token stands for two services, or twice for one."""
    tokens = [token for service in found for token in service.tokens]
    if len(set(tokens)) != len(tokens):
        raise ValueError("has the same token twice: each stands for one service")


def _service(name: str, content: object) -> Service:
    if not _NAME.fullmatch(name):
        raise ValueError("has a name that is not 1 to 40 of a-z, 0-9 and -")
    if not isinstance(content, Mapping) or content.keys() != {"tokens", "scopes"}:
        raise ValueError(f'needs {{"tokens": […], "scopes": […]}} for {name}, and nothing else')
    tokens, scopes = content["tokens"], content["scopes"]
    if not isinstance(tokens, list) or not tokens or not all(map(_is_token, tokens)):
        raise ValueError(
            f"needs tokens for {name}: texts of {LEAST_CHARACTERS} visible ASCII characters or more"
            " (openssl rand -hex 32)"
        )
    if not isinstance(scopes, list) or not all(isinstance(one, str) and one in SCOPES for one in scopes):
        raise ValueError(f"has a scope for {name} that is none of {', '.join(SCOPES)}")
    return Service(name, tuple(tokens), frozenset(scopes))


def _is_token(value: object) -> bool:
    return isinstance(value, str) and len(value) >= LEAST_CHARACTERS and bool(_TOKEN.fullmatch(value))
