"""The settings of this process: the only place that reads the environment.

Secrets come from the environment if they are set there, else from Secrets Manager (SECRET_ARN and others).
If one is missing or unusable, reading it raises ConfigurationError, as with a setting.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from checkout.base import currencies, database_urls, price_settings, services, setting
from checkout.base.errors import ConfigurationError, NotYetConfigured
from checkout.base.redirects import origin_of
from checkout.base.secrets_manager import SecretsManager
from checkout.base.services import SESSIONS, Service
from checkout.base.setting import Setting, text_of
from checkout.base.settings import DECLARED, OF_CALLERS, OF_DATABASES, SECRETS, Settings

_SECRETS = {secret.name: secret for secret in SECRETS}
_KEPT_IN = dict.fromkeys(secret.kept_in for secret in SECRETS)


class Config(Settings):
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        arns = {name: self._text(name) for name in _KEPT_IN}
        self._managers = {name: SecretsManager(arn) for name, arn in arns.items() if arn}
        self._master = _secret_of(self.database_master_secret_arn)
        self._kafka = _secret_of(self.kafka_secret_arn)
        self._kafka_root = _secret_of(self.kafka_root_secret_arn)

    def check_settings(self) -> None:
        """Raises ConfigurationError if a setting cannot be parsed or contradicts another. Reads no secret."""
        for one in DECLARED.values():
            if isinstance(one, Setting):
                one.check(self.environment)
        self.require_identity()
        amounts = currencies.amounts(self.currency, self.min_amount_cents, self.max_amount_cents)
        price_settings.check(self, self.currency, amounts)

    def check(self) -> None:
        """What is refused at start: before a migration, and before a new version gets traffic.

        A secret that is not there yet is no error. Raises ConfigurationError or Unavailable.
        """
        self.check_settings()
        self._named_services()
        self._moment("STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL")
        self._moment("JWT_SECRET_PREVIOUS_UNTIL")
        callers = self._managers.get(OF_CALLERS)
        for secret in SECRETS:
            value = self._optional_secret(secret.name)
            if value:
                secret.check(value)
            elif secret.kept_in == OF_DATABASES and callers is not None and callers.get(secret.name):
                # An earlier release read it there. Without it, another database would be credited.
                raise ConfigurationError(
                    f"{secret.name} is in the secret of {OF_CALLERS}, where it is not read any more: move it"
                    f" to a secret of its own, and give its ARN as {OF_DATABASES} (the template's parameter"
                    " DatabaseUrlSecretArn)."
                )
        if self._optional_secret("CHECKOUT_SERVICE_TOKEN"):
            self.services()

    # What follows from several settings

    @property
    def min_amount_cents(self) -> int:
        return self.given_min_amount_cents or currencies.usual_least(self.currency)

    @property
    def topic_prefix(self) -> str:
        """What the brokers' names of our topics and consumer groups begin with; it may be empty."""
        return self.kafka_topic_prefix or ""

    @property
    def own_origin(self) -> str:
        """PUBLIC_ORIGIN, for when there is no HTTP request to take our address from."""
        if (origin := self.public_origin) is None:
            raise ConfigurationError("PUBLIC_ORIGIN is not set.")
        return origin

    @property
    def redirect_origins(self) -> frozenset[str]:
        """Where the URLs of a request through Kafka may lead: PUBLIC_ORIGIN and ALLOWED_REDIRECT_ORIGINS."""
        own = origin_of(self.public_origin or "")
        return self.allowed_redirect_origins | ({own} if own is not None else set())

    @property
    def is_initialized_ahead(self) -> bool:
        """True if no event waits for Lambda's init phase."""
        return self._text("AWS_LAMBDA_INITIALIZATION_TYPE") in ("snap-start", "provisioned-concurrency")

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
        """The one that signs tokens, then JWT_SECRET_PREVIOUS until JWT_SECRET_PREVIOUS_UNTIL. Empty if an
        identity provider signs them and JWT_SECRET is not set."""
        if self.jwt_jwks_url is not None and not self._optional_secret("JWT_SECRET"):
            return ()
        current, previous = self._secret("JWT_SECRET"), self._optional_secret("JWT_SECRET_PREVIOUS")
        until = self._moment("JWT_SECRET_PREVIOUS_UNTIL")
        return (current, previous) if previous and _is_ahead(until) else (current,)

    def service_tokens(self) -> tuple[str, ...]:
        return self._several("CHECKOUT_SERVICE_TOKEN")

    def services(self) -> tuple[Service, ...]:
        """The services that may call: those of SERVICES, and CHECKOUT_SERVICE_TOKEN's, for sessions alone."""
        unnamed = Service(None, tuple(dict.fromkeys(self.service_tokens())), frozenset({SESSIONS}))
        found = (unnamed, *self._named_services())
        try:
            services.require_different(found)
        except ValueError as error:
            raise ConfigurationError(f"SERVICES and CHECKOUT_SERVICE_TOKEN {error}.") from error
        return found

    def sealing_secrets(self) -> tuple[str, ...]:
        """The secrets of cursors: the first one seals them, and all of them open them."""
        return self.jwt_secrets() or self.service_tokens()

    def kafka_credentials(self) -> tuple[str, str]:
        """Name and password, for KAFKA_SECURITY=SCRAM or PLAIN."""
        if self._kafka is not None:
            return _account(self._kafka, "KAFKA_SECRET_ARN")
        return self._secret("KAFKA_USERNAME"), self._secret("KAFKA_PASSWORD")

    def kafka_root(self) -> str | None:
        """The certificates, in PEM, that the brokers' certificates chain to; None if no secret has them."""
        if self._kafka_root is None:
            return None
        if not (found := self._kafka_root.get("certificate")):
            raise ConfigurationError("The secret KAFKA_ROOT_SECRET_ARN needs the key certificate.")
        return found

    def checkout_database_url(self) -> str:
        return self._signed_in(self._secret("CHECKOUT_DATABASE_URL"))

    def database_url(self) -> str:
        if not (url := self._optional_secret("DATABASE_URL")):
            return self.checkout_database_url()
        if self.database_by_iam or self._master is not None:
            # Our roles may sign in nowhere else. `migrate` does not use the proxy, and a restore moves both.
            url = database_urls.on_server_of(url, self._secret("CHECKOUT_DATABASE_URL"), self.database_role)
        return self._signed_in(url)

    def secrets_manager(self, arn_setting: str) -> SecretsManager | None:
        """The secret whose ARN is in this setting; None if it is not set."""
        return self._managers.get(arn_setting)

    @property
    def is_on_aws(self) -> bool:
        return bool(self._managers) or self.database_by_iam

    def prepare(self, *names: str) -> None:
        """Make the clients of Secrets Manager that these secrets will be read with. Raises Unavailable."""
        for name in names:
            if not self._text(name) and (manager := self._manager_of(name)) is not None:
                manager.connect()

    @contextmanager
    def unread_secrets(self) -> Iterator[None]:
        """Within the block, no secret is read from Secrets Manager: that raises Unavailable."""
        with ExitStack() as stack:
            for manager in (*self._managers.values(), self._master, self._kafka, self._kafka_root):
                if manager is not None:
                    stack.enter_context(manager.unread())
            yield

    def require_secrets(self) -> None:
        """Raises Unavailable or ConfigurationError if a secret of Secrets Manager cannot be read, or if
        something is refused at start."""
        for manager in self._managers.values():
            manager.get("")
        self.check()

    def refresh_secrets(self, name: str) -> bool:
        """True if the secret that holds this one was read again, and something in it has changed."""
        manager = self._manager_of(name)
        return manager is not None and manager.refresh()

    def _signed_in(self, url: str) -> str:
        """The URL with DATABASE_ROLE as its user, if it names none; or with the master user's name and
        password, if DATABASE_MASTER_SECRET_ARN is set."""
        if self._master is None:
            role = None if database_urls.names_somebody(url) else self.database_role
            return url if role is None else database_urls.signed_in(url, role)
        return database_urls.signed_in(url, *_account(self._master, "DATABASE_MASTER_SECRET_ARN"))

    def _text(self, name: str) -> str | None:
        return text_of(self.environment, name)

    def _manager_of(self, name: str) -> SecretsManager | None:
        return self._managers.get(_SECRETS[name].kept_in)

    def _optional_secret(self, name: str) -> str | None:
        manager = self._manager_of(name)
        return self._text(name) or (manager.get(name) if manager else None)

    def _secret(self, name: str) -> str:
        value = self._optional_secret(name)
        if not value and self.refresh_secrets(name):
            value = self._optional_secret(name)
        if not value and self._manager_of(name) is not None and _SECRETS[name].by_the_operator:
            raise NotYetConfigured(f"{name} is not in the secret yet: `make configure` puts it there.")
        if not value:
            raise ConfigurationError(f"{name} is not set.")
        return value

    def _several(self, name: str) -> tuple[str, ...]:
        values = setting.parts(self._secret(name))
        if not all(values):
            raise ConfigurationError(f"{name} has an empty element, which anybody could sign with.")
        return values

    def _named_services(self) -> tuple[Service, ...]:
        text = self._optional_secret("SERVICES")
        return setting.parsed("SERVICES", services.services, text) if text else ()

    def _moment(self, name: str) -> datetime | None:
        text = self._optional_secret(name)
        return setting.parsed(name, setting.moment, text) if text else None


def _secret_of(arn: str | None) -> SecretsManager | None:
    return SecretsManager(arn) if arn else None


def _account(secret: SecretsManager, setting_name: str) -> tuple[str, str]:
    name, password = secret.get("username"), secret.get("password")
    if not name or not password:
        raise ConfigurationError(f"The secret {setting_name} needs the keys username and password.")
    return name, password


def _is_ahead(moment: datetime | None) -> bool:
    """True if the moment is in the future, or is None, which means no end."""
    return moment is None or datetime.now(UTC) < moment
