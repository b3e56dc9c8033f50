"""The one place of wiring: which service gets which others, and what each of them is made with.

Each attribute of System is made when it is first asked for, once. A module that not every function needs is
imported where its attribute is made, so a function imports what it uses: at import, by `System.prepare`.
"""

import encodings.idna  # noqa: F401 - imported by the first address that is resolved, if not here
from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING

from checkout.base import price_settings
from checkout.base.postgres import Database
from checkout.base.wiring import Wiring

if TYPE_CHECKING:
    from checkout.api.accounts import Accounts
    from checkout.api.callers import Authenticator
    from checkout.api.identity_provider import IdentityProvider
    from checkout.base.rds_token import RdsTokens
    from checkout.ledger.crediting import CreditBalances
    from checkout.outbox.delivery import Delivery
    from checkout.outbox.producer import KafkaPublisher
    from checkout.payments.events import StripeEvents
    from checkout.payments.refunds import Refunds
    from checkout.payments.stripe_api import StripeApi
    from checkout.payments.webhook import ReceiveWebhook
    from checkout.reconciliation.decisions import Decisions
    from checkout.reconciliation.run import Reconcile
    from checkout.release.migrate import Migrate
    from checkout.release.new_versions import JudgeNewVersions
    from checkout.release.roles import GrantRoles
    from checkout.release.setup import Setup
    from checkout.sessions.create import CreateSession
    from checkout.sessions.requests import AnswerRequests


class System(Wiring):
    """An attribute that needs a setting which is missing or unusable raises ConfigurationError, each time
    until the setting is there; NotYetConfigured and Unavailable come in the same way."""

    def close(self) -> None:
        """End all connections. What is used again connects again."""
        for name in ("checkout_database", "application_database", "kafka_publisher"):
            if name in vars(self):
                vars(self)[name].close()

    @cached_property
    def checkout_database(self) -> Database:
        return self._database("CHECKOUT_DATABASE_URL", self.config.checkout_database_url)

    @cached_property
    def application_database(self) -> Database:
        return self._database("DATABASE_URL", self.config.database_url)

    def _database(self, setting: str, url: Callable[[], str]) -> Database:
        self.config.prepare(setting)
        return Database(
            url,
            token=self._rds_tokens,
            connect_timeout_seconds=self.config.database_connect_timeout_seconds,
            user_ids=self.config.user_ids,
        )

    @cached_property
    def _rds_tokens(self) -> "RdsTokens | None":
        if not self.config.database_by_iam:
            return None
        from checkout.base.rds_token import RdsTokens

        return RdsTokens()

    @cached_property
    def stripe_api(self) -> "StripeApi":
        from checkout.payments.stripe_api import StripeApi

        self.config.prepare("STRIPE_SECRET")
        return StripeApi(self.config.stripe_secret, self.config.stripe_api_base)

    @cached_property
    def kafka_publisher(self) -> "KafkaPublisher":
        from checkout.outbox import sign_in
        from checkout.outbox.producer import KafkaPublisher

        config = self.config
        brokers = config.kafka_brokers, sign_in.later(config)
        return KafkaPublisher(*brokers, config.kafka_idle_seconds, config.topic_prefix)

    @cached_property
    def authenticator(self) -> "Authenticator":
        from checkout.api.callers import Authenticator
        from checkout.api.tokens import Rules, Tokens

        config, provider = self.config, self.identity_provider
        config.jwt_secrets()
        config.services()
        rules = Rules(config.jwt_audiences, config.jwt_issuer, config.jwt_max_age_seconds)
        return Authenticator(
            Tokens(config.jwt_secrets, rules, provider),
            config.services,
            lambda: config.refresh_secrets("JWT_SECRET"),
            user_claim=config.jwt_user_claim,
            user_ids=config.user_ids,
        )

    @cached_property
    def identity_provider(self) -> "IdentityProvider | None":
        """None if users' tokens are signed with JWT_SECRET alone."""
        config = self.config
        config.require_identity()
        if config.jwt_jwks_url is None:
            return None
        from checkout.api.identity_provider import IdentityProvider

        return IdentityProvider(config.jwt_jwks_url, config.jwt_issuer or "")

    @cached_property
    def accounts(self) -> "Accounts":
        from checkout.api.accounts import Accounts

        secrets = self.config.sealing_secrets
        return Accounts(self.checkout_database, self.application_database, self.config.currency, secrets)

    @cached_property
    def delivery(self) -> "Delivery":
        from checkout.outbox.delivery import Delivery

        return Delivery(self.checkout_database, self.kafka_publisher)

    @cached_property
    def credit_balances(self) -> "CreditBalances":
        from checkout.ledger.crediting import CreditBalances

        return CreditBalances(self.application_database, self.config.currency)

    @cached_property
    def stripe_events(self) -> "StripeEvents":
        from checkout.payments.events import StripeEvents

        return StripeEvents(self.checkout_database, lambda: self.stripe_api, self.delivery, self.config)

    @cached_property
    def refunds(self) -> "Refunds":
        from checkout.payments.refunds import Refunds

        stripe, app_id = self.stripe_api, self.config.app_id
        return Refunds(self.checkout_database, stripe, self.stripe_events, app_id)

    @cached_property
    def receive_webhook(self) -> "ReceiveWebhook":
        from checkout.payments.webhook import ReceiveWebhook

        made = ReceiveWebhook(self.stripe_events, self.config)
        self.config.webhook_secrets()
        self.config.stripe_secret()
        return made

    @cached_property
    def create_session(self) -> "CreateSession":
        from checkout.sessions.create import CreateSession

        return CreateSession(self.checkout_database, self.application_database, self.stripe_api, self.config)

    @cached_property
    def answer_requests(self) -> "AnswerRequests":
        from checkout.sessions.requests import AnswerRequests

        made = AnswerRequests(
            self.checkout_database,
            self.application_database,
            self.create_session,
            self.delivery,
            origin=self.config.own_origin,
            currency=self.config.currency,
        )
        self.config.stripe_secret()
        return made

    @cached_property
    def decisions(self) -> "Decisions":
        from checkout.reconciliation.decisions import Decisions

        return Decisions(self.checkout_database, self.application_database)

    @cached_property
    def reconcile(self) -> "Reconcile":
        from checkout.reconciliation.evidence import FindEvidence
        from checkout.reconciliation.lost_entries import LostEntries
        from checkout.reconciliation.missed_events import MissedEvents
        from checkout.reconciliation.run import Reconcile
        from checkout.reconciliation.stripe_books import StripeBooks
        from checkout.reconciliation.uncredited import Reemission
        from checkout.reconciliation.unfinished import Unfinished

        checkout, application, stripe = self.checkout_database, self.application_database, self.stripe_api
        evidence = FindEvidence(checkout, stripe, self.config)
        reemission = Reemission(checkout, application, self.delivery, self.config)
        return Reconcile(
            MissedEvents(checkout, stripe, self.stripe_events, self.config.app_id),
            Unfinished(checkout, stripe, self.stripe_events, self.create_session),
            evidence,
            reemission,
            StripeBooks(checkout, stripe, self.config.app_id),
            LostEntries(checkout, application, self.delivery, evidence, reemission, self.decisions),
        )

    @cached_property
    def migrate(self) -> "Migrate":
        from checkout.release.migrate import Migrate

        config, prices = self.config, price_settings.set_in(self.config.environment)
        databases = self.checkout_database, self.application_database
        return Migrate(*databases, config.app_id, prices, currency=config.currency)

    @cached_property
    def grant_roles(self) -> "GrantRoles":
        from checkout.release.roles import GrantRoles

        return GrantRoles(self.checkout_database, self.application_database)

    @cached_property
    def setup(self) -> "Setup":
        from checkout.outbox import administration
        from checkout.release import kept_secrets, msk, topics
        from checkout.release.setup import Setup

        config = self.config
        config.prepare("JWT_SECRET", "STRIPE_SECRET")

        def ensure_topics(brokers: str, owner: topics.Owner) -> list[str]:
            options = administration.options(config, brokers.split(","))
            return topics.ensure(options, config.topic_prefix, owner)

        parts = self.migrate, self.grant_roles, partial(kept_secrets.complete, config)
        return Setup(*parts, partial(msk.brokers, config), ensure_topics)

    @cached_property
    def judge_new_versions(self) -> "JudgeNewVersions":
        from checkout.release import self_check
        from checkout.release.new_versions import JudgeNewVersions
        from checkout.release.versions import Versions

        versions = Versions(self.config.release)
        return JudgeNewVersions(
            lambda: self.config.new_versions,
            lambda arn, deadline: versions.ask(arn, self_check.EVENT, deadline),
            versions.report,
        )
