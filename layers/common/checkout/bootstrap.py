"""Wiring: which service gets which adapters. Each is made once an execution environment, at its first event.

Imports stand inside the functions, so that a cold start pays only for what its own function uses.
"""

import os
from collections.abc import Callable, Collection
from functools import cache
from typing import TYPE_CHECKING, Any

from checkout.base.config import Config
from checkout.base.postgres import Database

if TYPE_CHECKING:
    from checkout.api.accounts import Accounts
    from checkout.api.callers import Authenticator
    from checkout.ledger.crediting import CreditBalances
    from checkout.operations.journal import Journal
    from checkout.operations.verbs.accept import AcceptFindings
    from checkout.operations.verbs.corrections import Corrections
    from checkout.operations.verbs.erase import Erase
    from checkout.operations.verbs.held import HeldEvents
    from checkout.operations.verbs.inspect import Inspect
    from checkout.operations.verbs.parked import ParkedRecords
    from checkout.operations.verbs.verify import Verify
    from checkout.outbox.delivery import Delivery
    from checkout.outbox.producer import KafkaPublisher
    from checkout.payments.events import StripeEvents
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


@cache
def config() -> Config:
    return Config(os.environ)


@cache
def checkout_database() -> Database:
    return _database(config().checkout_database_url)


@cache
def application_database() -> Database:
    return _database(config().database_url)


def _database(url: Callable[[], str]) -> Database:
    from checkout.base import rds_token

    settings = config()
    return Database(
        url,
        token=rds_token.token if settings.database_by_iam else None,
        connect_timeout_seconds=settings.database_connect_timeout_seconds,
    )


@cache
def authenticator() -> "Authenticator":
    from checkout.api.callers import Authenticator

    settings = config()
    settings.jwt_secrets()
    settings.service_tokens()
    return Authenticator(
        settings.jwt_secrets,
        settings.service_tokens,
        settings.refresh_secrets,
        audience=settings.jwt_audience,
        issuer=settings.jwt_issuer,
        max_age_seconds=settings.jwt_max_age_seconds,
    )


@cache
def stripe_api() -> "StripeApi":
    from checkout.payments.stripe_api import StripeApi

    return StripeApi(config().stripe_secret, config().stripe_api_base)


@cache
def kafka_publisher() -> "KafkaPublisher":
    from checkout.outbox.producer import KafkaPublisher

    settings = config()
    return KafkaPublisher(
        settings.kafka_brokers, settings.kafka_api_version, kafka_sign_in(), settings.kafka_idle_seconds
    )


def kafka_sign_in() -> dict[str, Any]:
    """Options of a kafka-python client."""
    from checkout.outbox import sign_in as kafka_sign_in

    settings = config()
    match settings.kafka_security:
        case "SCRAM":
            return kafka_sign_in.scram(*settings.kafka_credentials(), settings.kafka_ca_file)
        case "IAM":
            return kafka_sign_in.iam(settings.kafka_ca_file)
        case _:
            return {}


@cache
def delivery() -> "Delivery":
    from checkout.outbox.delivery import Delivery

    return Delivery(checkout_database(), kafka_publisher())


def create_session() -> "CreateSession":
    """Raises NotYetConfigured before anything is stored that could not be carried on."""
    config().stripe_secret()
    return _create_session()


@cache
def _create_session() -> "CreateSession":
    from checkout.sessions.create import CreateSession

    return CreateSession(checkout_database(), application_database(), stripe_api(), config())


@cache
def answer_requests() -> "AnswerRequests":
    from checkout.sessions.requests import AnswerRequests

    return AnswerRequests(
        checkout_database(),
        application_database(),
        create_session(),
        delivery(),
        origin=config().own_origin,
        currency=config().currency,
    )


@cache
def receive_webhook() -> "ReceiveWebhook":
    from checkout.payments.webhook import ReceiveWebhook

    config().webhook_secrets()
    config().stripe_secret()
    return ReceiveWebhook(stripe_events(), config())


@cache
def stripe_events() -> "StripeEvents":
    from checkout.payments.events import StripeEvents

    return StripeEvents(checkout_database(), stripe_api(), delivery(), config())


@cache
def accounts() -> "Accounts":
    from checkout.api.accounts import Accounts

    return Accounts(checkout_database(), application_database(), config().currency, config().jwt_secrets)


@cache
def credit_balances() -> "CreditBalances":
    from checkout.ledger.crediting import CreditBalances

    return CreditBalances(application_database(), config().currency)


@cache
def reconcile() -> "Reconcile":
    from checkout.reconciliation.evidence import FindEvidence
    from checkout.reconciliation.lost_entries import LostEntries
    from checkout.reconciliation.missed_events import MissedEvents
    from checkout.reconciliation.run import Reconcile
    from checkout.reconciliation.stripe_books import StripeBooks
    from checkout.reconciliation.uncredited import Reemission
    from checkout.reconciliation.unfinished import Unfinished

    databases = checkout_database(), application_database()
    evidence = FindEvidence(checkout_database(), stripe_api(), config())
    reemission = Reemission(*databases, delivery(), config())
    return Reconcile(
        MissedEvents(checkout_database(), stripe_api(), stripe_events(), config().app_id),
        Unfinished(checkout_database(), stripe_api(), stripe_events(), _create_session()),
        evidence,
        reemission,
        StripeBooks(checkout_database(), stripe_api(), config().app_id),
        LostEntries(*databases, delivery(), evidence, reemission, decisions()),
    )


@cache
def parked_records() -> "ParkedRecords":
    from checkout.operations.verbs.parked import ParkedRecords

    return ParkedRecords(application_database(), credit_balances(), decisions())


@cache
def decisions() -> "Decisions":
    from checkout.reconciliation.decisions import Decisions

    return Decisions(checkout_database(), application_database())


@cache
def held_events() -> "HeldEvents":
    from checkout.operations.verbs.held import HeldEvents

    return HeldEvents(checkout_database(), stripe_events())


@cache
def corrections() -> "Corrections":
    from checkout.operations.verbs.corrections import Corrections

    return Corrections(checkout_database(), application_database(), config().currency)


@cache
def inspect_payment() -> "Inspect":
    from checkout.operations.verbs.inspect import Inspect

    return Inspect(checkout_database(), application_database())


@cache
def journal() -> "Journal":
    from checkout.operations.journal import Journal

    return Journal(checkout_database(), application_database())


@cache
def erase() -> "Erase":
    from checkout.operations.verbs.erase import Erase

    return Erase(checkout_database(), application_database())


@cache
def verify() -> "Verify":
    from checkout.operations.verbs.verify import Verify

    settings = config()
    return Verify(
        checkout_database(),
        application_database(),
        settings.currency,
        foreign_producers=settings.foreign_producers,
        livemode=settings.stripe_livemode,
    )


@cache
def accept_findings() -> "AcceptFindings":
    from checkout.operations.verbs.accept import AcceptFindings

    return AcceptFindings(checkout_database())


@cache
def migrate() -> "Migrate":
    from checkout.release.migrate import Migrate

    return Migrate(checkout_database(), application_database())


@cache
def grant_roles() -> "GrantRoles":
    from checkout.release.roles import GrantRoles

    return GrantRoles(checkout_database(), application_database())


@cache
def setup() -> "Setup":
    from checkout.release import msk, topics
    from checkout.release.setup import Setup

    settings = config()

    def brokers() -> str:
        if settings.kafka_cluster_arn is None:
            return ",".join(settings.kafka_brokers)
        return msk.bootstrap_brokers(settings.kafka_cluster_arn, settings.kafka_security)

    def ensure_topics(brokers: str, names: Collection[str], partitions: int) -> list[str]:
        options = {
            "bootstrap_servers": brokers.split(","),
            "api_version": settings.kafka_api_version,
            **kafka_sign_in(),
        }
        return topics.ensure(options, names, partitions)

    return Setup(migrate(), grant_roles(), settings.secrets_manager, settings.check, brokers, ensure_topics)


@cache
def judge_new_versions() -> "JudgeNewVersions":
    from checkout.release import self_check
    from checkout.release.new_versions import JudgeNewVersions
    from checkout.release.versions import Versions

    versions = Versions()
    return JudgeNewVersions(
        lambda: config().new_versions, lambda arn: versions.ask(arn, self_check.EVENT), versions.report
    )
