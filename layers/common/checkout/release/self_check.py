"""Could this version do its work? Asked by `pre_traffic` before a new version gets any.

The event is `{"checkout": "self-check"}`; the answer names the release and what was reached. If something
cannot be reached, an error is raised, so that the invocation fails with the reason.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError
from checkout.base.postgres import Database
from checkout.base.telemetry import Handler
from checkout.outbox import finished_event
from checkout.release import user_id_columns

if TYPE_CHECKING:
    from checkout.outbox.producer import KafkaPublisher

EVENT = {"checkout": "self-check"}

SECRETS = "secrets"
CHECKOUT_DATABASE = "checkout database"
APPLICATION_DATABASE = "application database"
BROKER = "broker"
IDENTITY_PROVIDER = "identity provider"
EVERYTHING = (SECRETS, CHECKOUT_DATABASE, APPLICATION_DATABASE, BROKER)


class Provider(Protocol):
    def require(self) -> None: ...


class Parts(Protocol):
    """The parts of the system that can be checked."""

    @property
    def config(self) -> Config: ...
    @property
    def checkout_database(self) -> Database: ...
    @property
    def application_database(self) -> Database: ...
    @property
    def kafka_publisher(self) -> "KafkaPublisher": ...
    @property
    def identity_provider(self) -> "Provider | None": ...


def _reach(database: Database, name: str) -> None:
    table = user_id_columns.TABLES[name]
    with database.autocommit() as tx:
        if not user_id_columns.require_same(tx, table):
            raise ConfigurationError(
                f"the {name} database has no table {table} that this function can see: its role needs USAGE"
                " on the schema, and a search_path that names it (ALTER DATABASE … SET search_path)."
            )


def _reach_provider(provider: Provider | None) -> None:
    """Nothing to reach if users' tokens are signed with our own secret."""
    if provider is not None:
        provider.require()


CHECKS: dict[str, Callable[[Parts], None]] = {
    SECRETS: lambda parts: parts.config.require_secrets(),
    CHECKOUT_DATABASE: lambda parts: _reach(parts.checkout_database, "checkout"),
    APPLICATION_DATABASE: lambda parts: _reach(parts.application_database, "application"),
    IDENTITY_PROVIDER: lambda parts: _reach_provider(parts.identity_provider),
    BROKER: lambda parts: parts.kafka_publisher.require(finished_event.TOPIC, timing.SELF_CHECK_BROKER),
}
"""Each raises a CheckoutError if the need of this name is not met."""


def self_checking(handler: Handler, parts: Parts, *needs: str) -> Handler:
    """The handler, which also answers a self-check: can all settings be used, and all `needs` be reached?"""

    def answer(event: dict[str, Any], context: Any) -> Any:
        if event != EVENT:
            return handler(event, context)
        parts.config.check_settings()
        for need in needs:
            CHECKS[need](parts)
        return {"release": parts.config.release, "reached": list(needs)}

    return answer
