"""What a setting is, and how its text is parsed."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Generic, Protocol, TypeVar, cast, overload

from checkout.base import currencies
from checkout.base.errors import ConfigurationError
from checkout.base.redirects import is_fetchable, is_protected, origin_of

T = TypeVar("T")
Networks = tuple[IPv4Network | IPv6Network, ...]


class HasEnvironment(Protocol):
    @property
    def environment(self) -> Mapping[str, str]: ...


def text_of(environment: Mapping[str, str], name: str) -> str | None:
    """None if it is not set, or is blank."""
    return environment.get(name, "").strip() or None


class Setting(Generic[T]):
    """A setting that is not secret, as an attribute of the class that declares it.

    It is read when it is needed, so a function needs only those that it uses. Reading it raises
    ConfigurationError, which names it, if it is unusable, or required and missing.
    """

    def __init__(
        self,
        name: str,
        parse: Callable[[str], T],
        what: str,
        *,
        default: T | None = None,
        is_required: bool = False,
    ) -> None:
        """`parse` raises ValueError with what follows the name in a message: "must be true or false". `what`
        is for the README. Without a `default`, T includes None unless the setting is required."""
        self.name = name
        self.what = what
        self.default = default
        self.is_required = is_required
        self._parse = parse

    @overload
    def __get__(self, config: None, owner: type) -> "Setting[T]": ...

    @overload
    def __get__(self, config: HasEnvironment, owner: type) -> T: ...

    def __get__(self, config: HasEnvironment | None, owner: type) -> "Setting[T] | T":
        if config is None:
            return self
        text = text_of(config.environment, self.name)
        if text is not None:
            return parsed(self.name, self._parse, text)
        if self.is_required:
            raise ConfigurationError(f"{self.name} is not set.")
        return cast(T, self.default)

    def check(self, environment: Mapping[str, str]) -> None:
        """Raises ConfigurationError if it is set and cannot be parsed."""
        if (text := text_of(environment, self.name)) is not None:
            parsed(self.name, self._parse, text)


class Secret:
    """A secret value, in the environment or else in a secret of Secrets Manager, which holds several."""

    def __init__(
        self,
        name: str,
        what: str,
        *,
        kept_in: str = "SECRET_ARN",
        is_required: bool = False,
        by_the_operator: bool = False,
        has_several: bool = False,
        least_bytes: int = 1,
    ) -> None:
        """`kept_in` is the setting with the ARN of the secret in Secrets Manager that has it: a function can
        read the secrets whose ARNs it is given. `by_the_operator`: the operator supplies it later, so a new
        stack may lack it without an alarm. `has_several`: it is a comma-separated list. `least_bytes`: a
        shorter value can be guessed. For HS256's key, RFC 7518 (3.2) sets the length."""
        self.name = name
        self.what = what
        self.kept_in = kept_in
        self.is_required = is_required
        self.by_the_operator = by_the_operator
        self.has_several = has_several
        self.least_bytes = least_bytes

    def check(self, value: str) -> None:
        """Raises ConfigurationError if it is so short that it can be guessed."""
        for one in value.split(",") if self.has_several else [value]:
            if len(one.strip().encode()) < self.least_bytes:
                own = "openssl rand -hex 32 makes one"
                remedy = "it must be the one that Stripe shows" if self.by_the_operator else own
                raise ConfigurationError(
                    f"{self.name} has fewer than {self.least_bytes} bytes, so it can be guessed: {remedy}."
                )


# How a text is parsed


def parsed(name: str, parse: Callable[[str], T], given: str) -> T:
    """Raises ConfigurationError if `parse` raises ValueError."""
    try:
        return parse(given)
    except ValueError as error:
        raise ConfigurationError(f"{name} {error}.") from error


def text(given: str) -> str:
    return given


def optional_text(given: str) -> str | None:
    return given


def number(given: str) -> int:
    try:
        value = int(given)
    except ValueError:
        value = 0
    if value < 1:
        raise ValueError("must be a whole number of at least 1")
    return value


def optional_number(given: str) -> int | None:
    return number(given)


def retention_days(given: str) -> int:
    days = number(given)
    if days <= 30:
        raise ValueError("must be more than 30: Stripe keeps its own events that long")
    return days


def yes_or_no(given: str) -> bool:
    if given.lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return given.lower() == "true"


def is_iam(given: str) -> bool:
    if given != "IAM":
        raise ValueError("must be IAM, or empty if the URL has a password")
    return True


def security(given: str) -> str:
    if given not in ("PLAINTEXT", "SCRAM", "SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN", "IAM"):
        raise ValueError("must be one of PLAINTEXT, SCRAM, SCRAM-SHA-256, SCRAM-SHA-512, PLAIN and IAM")
    return given.removesuffix("-SHA-512")


def currency(given: str) -> str:
    if not currencies.is_code(given.lower()):
        raise ValueError("must be the three letters of a currency, such as eur")
    return given.lower()


def parts(given: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in given.split(","))


def brokers(given: str) -> tuple[str, ...]:
    if not all(parts(given)):
        raise ValueError("has an empty element; it must be host:port,host:port")
    return parts(given)


def topic_prefix(given: str) -> str | None:
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,100}", given):
        raise ValueError("must be 1 to 100 ASCII letters, digits, dots, underscores or hyphens")
    return given


def version(given: str) -> tuple[int, ...] | None:
    try:
        return tuple(int(part) for part in given.split("."))
    except ValueError as error:
        raise ValueError("must be a version, such as 2.3") from error


def networks(given: str) -> Networks:
    try:
        return tuple(ip_network(part) for part in parts(given))
    except ValueError as error:
        raise ValueError("must be addresses or networks, such as 192.0.2.1,198.51.100.0/24") from error


def own_origin(given: str) -> str | None:
    return _protected(given.rstrip("/"))


def origins(given: str) -> frozenset[str]:
    found = [part.rstrip("/").lower() for part in parts(given)]
    if any(origin_of(origin) != origin for origin in found):
        raise ValueError("must be https://host[:port],https://host[:port]")
    return frozenset(map(_protected, found))


def fetchable(given: str) -> str | None:
    if not is_fetchable(given):
        raise ValueError("must be https://…, or http at a loopback address: http can be changed on the way")
    return given


def audiences(given: str) -> frozenset[str]:
    if not all(parts(given)):
        raise ValueError("has an empty element; it must be values with commas between them: app-1,app-2")
    return frozenset(parts(given))


def claim(given: str) -> Sequence[str]:
    """The path of names to the claim: a single name, or those of a JSON Pointer (RFC 6901)."""
    if not given.startswith("/"):
        return (given,)
    if re.search(r"~(?![01])", given):
        raise ValueError("must be a claim's name (org_id), or a JSON Pointer (/o/id): ~0 is ~, ~1 is /")
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in given[1:].split("/"))


def moment(given: str) -> datetime:
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError("must be a time with its offset, such as 2026-11-24T12:00:00Z")
    return found


def _protected(origin: str) -> str:
    if not re.fullmatch(r"\w+://[^/?#]+", origin) or not is_protected(origin):
        raise ValueError("must be https://host[:port] (http only on this machine: others can change it)")
    return origin
