"""What a deployment needs and CloudFormation cannot do, for the release that this code is."""

import time
from collections.abc import Callable

from checkout.base import telemetry, timing
from checkout.base.errors import DatabaseUnavailable
from checkout.release.migrate import Migrate
from checkout.release.roles import GrantRoles
from checkout.release.topics import Owner


class Setup:
    def __init__(
        self,
        migrate: Migrate,
        grant_roles: GrantRoles,
        complete_secrets: Callable[[], None],
        brokers: Callable[[], str],
        ensure_topics: Callable[[str, Owner], list[str]],
    ) -> None:
        """`brokers` says where they are, as `ensure_topics` takes it."""
        self._migrate = migrate
        self._grant_roles = grant_roles
        self._complete_secrets = complete_secrets
        self._brokers = brokers
        self._ensure_topics = ensure_topics

    def __call__(self, owner: Owner, *, with_roles: bool = True) -> dict[str, str]:
        """Complete the secrets, migrate, make the functions' roles and the topics.

        `owner` is whose the topics are. `with_roles` is False if the functions sign in with the URL's
        password. Repeating it is harmless, and completes what an earlier run could not.

        Returns what the other functions are told: `KafkaBrokers`. Raises ConfigurationError, Unavailable.
        """
        self._complete_secrets()
        applied = self._migrated()
        if with_roles:
            self._grant_roles()
        brokers = self._brokers()
        made = self._ensure_topics(brokers, owner)
        telemetry.logger.info("set up", extra={"applied": applied, "topics": made})
        return {"KafkaBrokers": brokers}

    def _migrated(self) -> list[str]:
        deadline = time.monotonic() + timing.SETUP_WAKE
        while True:
            try:
                return self._migrate()
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
            time.sleep(timing.SETUP_PAUSE)
