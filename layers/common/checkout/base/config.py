"""Every setting, by name: the only place that reads the environment.

Secrets come from the environment where they are set there, else from Secrets Manager (SECRET_ARN). A setting
is read when it is needed, so that a function needs only those it uses; a missing or unusable one raises
ConfigurationError, which names it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar
from urllib.parse import quote

from checkout.base import currencies
from checkout.base.errors import ConfigurationError, NotYetConfigured
from checkout.base.redirects import is_protected, origin_of
from checkout.base.secrets_manager import SecretsManager

GIVEN_BY_THE_OPERATOR = ("STRIPE_SECRET", "STRIPE_WEBHOOK_SECRET")
"""A new stack's secret is without them: nobody has failed."""

T = TypeVar("T")

SHORTEST = {
    "JWT_SECRET": 32,
    "JWT_SECRET_PREVIOUS": 32,
    "CHECKOUT_SERVICE_TOKEN": 20,
    "STRIPE_WEBHOOK_SECRET": 20,
}
"""Bytes of a secret that nobody can guess; of HS256's key, RFC 7518 (3.2) says it."""

DEFAULT_MAX_AMOUNT_CENTS = 1_000_000


class Config:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        arn = environment.get("SECRET_ARN")
        self._secrets = SecretsManager(arn) if arn else None
        master = environment.get("DATABASE_MASTER_SECRET_ARN")
        self._master = SecretsManager(master) if master else None

    def check(self) -> None:
        """What is refused at start: before a migration, and before a new version gets traffic.

        Raises ConfigurationError, which names the setting, or Unavailable.
        """
        _ = self.redirect_origins
        self._moment("STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL")
        self._moment("JWT_SECRET_PREVIOUS_UNTIL")
        for name, least in SHORTEST.items():
            value = self._optional_secret(name)
            several = name in ("CHECKOUT_SERVICE_TOKEN", "STRIPE_WEBHOOK_SECRET")
            for one in (value or "").split(",") if several else [value or ""]:
                if value and len(one.strip().encode()) < least:
                    raise ConfigurationError(
                        f"{name} has fewer than {least} bytes, so it can be guessed: openssl rand -hex 32"
                    )
        self._check_amounts()

    def _check_amounts(self) -> None:
        least, most, step = self.min_amount_cents, self.max_amount_cents, currencies.step(self.currency)
        if most // step * step < least:
            raise ConfigurationError(
                f"MAX_AMOUNT_CENTS must be at least MIN_AMOUNT_CENTS, and {self.currency} is charged in"
                f" multiples of {step}: from {least} to {most} there is no amount."
            )

    # Secrets

    def stripe_secret(self) -> str:
        return self._secret("STRIPE_SECRET")

    def stripe_livemode(self) -> bool:
        return self.stripe_secret().startswith(("sk_live_", "rk_live_"))

    def webhook_secrets(self) -> tuple[str, ...]:
        """The first is the endpoint's; others are accepted until STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL."""
        current, *previous = self._several("STRIPE_WEBHOOK_SECRET")
        until = self._moment("STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL")
        return (current, *(previous if _is_ahead(until) else ()))

    def jwt_secrets(self) -> tuple[str, ...]:
        """The one that tokens are made with; and JWT_SECRET_PREVIOUS, until JWT_SECRET_PREVIOUS_UNTIL."""
        current, previous = self._secret("JWT_SECRET"), self._optional_secret("JWT_SECRET_PREVIOUS")
        until = self._moment("JWT_SECRET_PREVIOUS_UNTIL")
        return (current, previous) if previous and _is_ahead(until) else (current,)

    def service_tokens(self) -> tuple[str, ...]:
        return self._several("CHECKOUT_SERVICE_TOKEN")

    def kafka_credentials(self) -> tuple[str, str]:
        """Name and password, for KAFKA_SECURITY=SCRAM."""
        return self._secret("KAFKA_USERNAME"), self._secret("KAFKA_PASSWORD")

    def checkout_database_url(self) -> str:
        return self._signed_in(self._secret("CHECKOUT_DATABASE_URL"))

    def database_url(self) -> str:
        return self._signed_in(self._optional_secret("DATABASE_URL") or self._secret("CHECKOUT_DATABASE_URL"))

    @property
    def secrets_manager(self) -> SecretsManager | None:
        """Where the secrets are that the environment does not have; None = nowhere."""
        return self._secrets

    def prepare(self, *names: str) -> None:
        """Make the client of Secrets Manager if it will be asked for one of these. Raises Unavailable."""
        if self._secrets is not None and not all(map(self._text, names)):
            self._secrets.connect()

    @contextmanager
    def unread_secrets(self) -> Iterator[None]:
        """Within the block, no secret is read from Secrets Manager: that raises Unavailable."""
        with ExitStack() as stack:
            for manager in (self._secrets, self._master):
                if manager is not None:
                    stack.enter_context(manager.unread())
            yield

    def require_secrets(self) -> None:
        """Raises Unavailable or ConfigurationError where the secrets cannot be read, whichever they are, or
        where they are refused at start."""
        if self._secrets is not None:
            self._secrets.get("")
        self.check()

    def refresh_secrets(self) -> bool:
        """True where Secrets Manager was asked again and gave something new."""
        return self._secrets is not None and self._secrets.refresh()

    # How to sign in to the databases

    @property
    def database_by_iam(self) -> bool:
        """Whether the URLs have no password, and the role in them signs in by IAM."""
        auth = self._text("DATABASE_AUTH")
        if auth not in (None, "IAM"):
            raise ConfigurationError("DATABASE_AUTH is IAM, or empty where the URL has a password.")
        return auth == "IAM"

    @property
    def database_connect_timeout_seconds(self) -> int:
        return self._integer("DATABASE_CONNECT_TIMEOUT_SECONDS", 5)

    def _signed_in(self, url: str) -> str:
        """With DATABASE_ROLE as the user of a URL that names nobody; or with the master user's name and
        password, where DATABASE_MASTER_SECRET_ARN names them."""
        if self._master is None:
            role = self._text("DATABASE_ROLE")
            return url if role is None or "@" in url else url.replace("://", f"://{role}@", 1)
        name, password = self._master.get("username"), self._master.get("password")
        if not name or not password:
            raise ConfigurationError(
                "The secret DATABASE_MASTER_SECRET_ARN needs the keys username and password."
            )
        scheme, _, rest = url.partition("://")
        server, slash, database = rest.partition("/")
        user = f"{quote(name, safe='')}:{quote(password, safe='')}"
        return f"{scheme}://{user}@{server.rpartition('@')[2]}{slash}{database}"

    # Where things are

    @property
    def stripe_api_base(self) -> str | None:
        return self._text("STRIPE_API_BASE")

    @property
    def kafka_brokers(self) -> tuple[str, ...]:
        brokers = tuple(part.strip() for part in self._required("KAFKA_BROKERS").split(","))
        if not all(brokers):
            raise ConfigurationError("KAFKA_BROKERS has an empty element; it is host:port,host:port.")
        return brokers

    @property
    def kafka_cluster_arn(self) -> str | None:
        """The MSK cluster that `migrate` asks where its brokers are; None = KAFKA_BROKERS says it."""
        return self._text("KAFKA_CLUSTER_ARN")

    @property
    def kafka_security(self) -> str:
        """PLAINTEXT, SCRAM or IAM."""
        security = self._text("KAFKA_SECURITY") or "PLAINTEXT"
        if security not in ("PLAINTEXT", "SCRAM", "IAM"):
            raise ConfigurationError("KAFKA_SECURITY is PLAINTEXT, SCRAM or IAM.")
        return security

    @property
    def kafka_idle_seconds(self) -> int:
        """Connections that were not used for longer are made anew."""
        return self._integer("KAFKA_IDLE_SECONDS", 45)

    @property
    def kafka_ca_file(self) -> str | None:
        """Whom to trust instead of Amazon's roots."""
        return self._text("KAFKA_CA_FILE")

    @property
    def kafka_partial_responses(self) -> bool:
        """Whether the trigger understands which records must come again; on demand it repeats the batch."""
        return self._text("KAFKA_PARTIAL_RESPONSES") != "false"

    @property
    def kafka_api_version(self) -> tuple[int, ...] | None:
        """What a client must be told where the broker cannot negotiate; null for a real one."""
        text = self._text("KAFKA_API_VERSION")
        return self._parsed("KAFKA_API_VERSION", text, _version) if text else None

    @property
    def public_origin(self) -> str | None:
        """Where the browser sees us, as scheme://host[:port]; None = the API's own domain name."""
        origin = self._text("PUBLIC_ORIGIN")
        return _protected("PUBLIC_ORIGIN", origin.rstrip("/")) if origin else None

    @property
    def own_origin(self) -> str:
        """PUBLIC_ORIGIN, where no HTTP request could say instead where we are."""
        return _protected("PUBLIC_ORIGIN", self._required("PUBLIC_ORIGIN").rstrip("/"))

    @property
    def redirect_origins(self) -> frozenset[str]:
        """Where a service may have the customer sent back to: PUBLIC_ORIGIN and ALLOWED_REDIRECT_ORIGINS."""
        origins = {origin_of(self.public_origin or "")}
        text = self._text("ALLOWED_REDIRECT_ORIGINS")
        for given in text.split(",") if text else ():
            origin = given.strip().rstrip("/").lower()
            if origin_of(origin) != origin:
                raise ConfigurationError(
                    "ALLOWED_REDIRECT_ORIGINS is https://host[:port],https://host[:port]."
                )
            origins.add(_protected("ALLOWED_REDIRECT_ORIGINS", origin))
        return frozenset(origin for origin in origins if origin is not None)

    @property
    def new_versions(self) -> tuple[str, ...]:
        """For `pre_traffic` alone: the ARNs, with version, of what it judges."""
        return tuple(part.strip() for part in self._required("NEW_VERSIONS").split(","))

    @property
    def webhook_sources(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Where webhooks must come from; empty = anywhere."""
        text = self._text("STRIPE_WEBHOOK_SOURCES")
        try:
            return tuple(ip_network(part.strip()) for part in text.split(",")) if text else ()
        except ValueError as error:
            raise ConfigurationError(
                "STRIPE_WEBHOOK_SOURCES is addresses and networks: 192.0.2.1,198.51.100.0/24."
            ) from error

    @property
    def release(self) -> str | None:
        """Which build this is."""
        return self._text("RELEASE")

    # What is ours, and how much of it

    @property
    def app_id(self) -> str:
        return self._required("CHECKOUT_APP_ID")

    @property
    def jwt_audience(self) -> str | None:
        return self._text("JWT_AUDIENCE")

    @property
    def jwt_issuer(self) -> str | None:
        return self._text("JWT_ISSUER")

    @property
    def jwt_max_age_seconds(self) -> int:
        """How long a user's token may live."""
        return self._integer("JWT_MAX_AGE_SECONDS", 86_400)

    @property
    def currency(self) -> str:
        currency = (self._text("BALANCE_CURRENCY") or "eur").lower()
        if not currencies.is_code(currency):
            raise ConfigurationError("BALANCE_CURRENCY must be the three letters of a currency, such as eur.")
        return currency

    @property
    def min_amount_cents(self) -> int:
        return self._integer("MIN_AMOUNT_CENTS", currencies.usual_least(self.currency))

    @property
    def max_amount_cents(self) -> int:
        return self._integer("MAX_AMOUNT_CENTS", DEFAULT_MAX_AMOUNT_CENTS)

    @property
    def max_open_sessions_per_hour(self) -> int:
        return self._integer("MAX_OPEN_SESSIONS_PER_HOUR", 20)

    @property
    def daily_amount_cents_limit(self) -> int | None:
        """Of one user in a UTC day; None = no limit."""
        return self._optional_integer("DAILY_AMOUNT_CENTS_LIMIT")

    @property
    def daily_count_limit(self) -> int | None:
        """Of one user in a UTC day; None = no limit."""
        return self._optional_integer("DAILY_COUNT_LIMIT")

    @property
    def adjust_limit_cents(self) -> int | None:
        """Of one adjustment, up or down; None = no limit."""
        return self._optional_integer("ADJUST_LIMIT_CENTS")

    @property
    def max_body_bytes(self) -> int:
        return self._integer("MAX_BODY_BYTES", 65_536)

    @property
    def retention_days(self) -> int:
        """How long personal data is kept in what is settled. Stripe keeps its events for 30 days."""
        days = self._integer("RETENTION_DAYS", 90)
        if days <= 30:
            raise ConfigurationError(
                "RETENTION_DAYS must be more than 30: so long Stripe keeps its own events."
            )
        return days

    @property
    def foreign_producers(self) -> bool:
        """Whether others put credits on checkout.finished: then `verify` lists them without an alarm."""
        text = (self._text("FOREIGN_PRODUCERS") or "false").lower()
        if text not in ("true", "false"):
            raise ConfigurationError("FOREIGN_PRODUCERS is true or false.")
        return text == "true"

    @property
    def reemit_after_seconds(self) -> int:
        return self._integer("REEMIT_AFTER_SECONDS", 300)

    def _text(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None

    def _required(self, name: str) -> str:
        value = self._text(name)
        if value is None:
            raise ConfigurationError(f"{name} is not set.")
        return value

    def _optional_secret(self, name: str) -> str | None:
        return self._text(name) or (self._secrets.get(name) if self._secrets else None)

    def _secret(self, name: str) -> str:
        value = self._optional_secret(name)
        if not value and self.refresh_secrets():
            value = self._optional_secret(name)
        if not value and self._secrets is not None and name in GIVEN_BY_THE_OPERATOR:
            raise NotYetConfigured(f"{name} is not in the secret yet: `make configure` puts it there.")
        if not value:
            raise ConfigurationError(f"{name} is not set.")
        return value

    def _several(self, name: str) -> tuple[str, ...]:
        values = tuple(part.strip() for part in self._secret(name).split(","))
        if not all(values):
            raise ConfigurationError(f"{name} has an empty element, which anybody could sign with.")
        return values

    def _moment(self, name: str) -> datetime | None:
        """Next to the secrets, since it changes with them."""
        text = self._optional_secret(name)
        try:
            moment = datetime.fromisoformat(text) if text else None
        except ValueError:
            moment = None
        if text and (moment is None or moment.tzinfo is None):
            raise ConfigurationError(f"{name} must be a time with its offset, as 2026-11-24T12:00:00Z.")
        return moment

    def _integer(self, name: str, default: int) -> int:
        value = self._optional_integer(name)
        return default if value is None else value

    def _optional_integer(self, name: str) -> int | None:
        text = self._text(name)
        value = None if text is None else self._parsed(name, text, int)
        if value is not None and value < 1:
            raise ConfigurationError(f"{name} must be at least 1.")
        return value

    @staticmethod
    def _parsed(name: str, text: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise ConfigurationError(f"{name} is not a number.") from error


def _protected(name: str, origin: str) -> str:
    if not is_protected(origin):
        raise ConfigurationError(
            f"{name} must be https://host[:port]: http, which anybody may change, is for this machine."
        )
    return origin


def _is_ahead(moment: datetime | None) -> bool:
    """True for None, which has no end."""
    return moment is None or datetime.now(UTC) < moment


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
