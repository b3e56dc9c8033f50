"""How the durations stand to each other, and to what the templates say."""

from pathlib import Path

import pytest
import stripe

from checkout.base import timing
from tests.infrastructure import transformed

RESOURCES = transformed.source()["Resources"]
GLOBALS = transformed.source()["Globals"]["Function"]
FUNCTIONS = {
    Path(resource["Properties"]["CodeUri"]).name: resource["Properties"]
    for resource in RESOURCES.values()
    if resource["Type"] == "AWS::Serverless::Function"
}
LIMITS = {name: one.get("Timeout", GLOBALS["Timeout"]) for name, one in FUNCTIONS.items()}
"""After so many seconds Lambda ends an invocation."""

API_GATEWAY = 30
"""Then API Gateway answers for a function that has not."""

ANSWERING = sorted(
    name
    for name, function in FUNCTIONS.items()
    if any(event["Type"] == "HttpApi" for event in function.get("Events", {}).values())
)
PUBLISH_AT_ONCE = timing.longest_publish(timing.PUBLISH_AT_ONCE)
PUBLISH_BY_RELAY = timing.longest_publish(timing.PUBLISH_BY_RELAY)


@pytest.mark.parametrize("function", ANSWERING)
def test_a_function_answers_before_api_gateway_does(function: str) -> None:
    assert LIMITS[function] < API_GATEWAY


@pytest.mark.parametrize("function", timing.RESERVE)
def test_most_of_an_invocation_is_for_work(function: str) -> None:
    assert 2 * timing.RESERVE[function] <= LIMITS[function]


# A request


def test_a_session_is_answered_in_time() -> None:
    """Although another process holds its key at Stripe, and Stripe is slow then."""
    at_stripe = timing.KEY_IN_USE + timing.KEY_IN_USE_PAUSE + timing.STRIPE_CALL
    assert timing.DATABASE_CONNECT + at_stripe < LIMITS["create_session"]


def test_a_webhook_is_answered_in_time() -> None:
    """It may have to connect, ask a slow Stripe, and publish to brokers that are away."""
    longest = timing.DATABASE_CONNECT + timing.STRIPE_CALL + PUBLISH_AT_ONCE
    assert longest < LIMITS["stripe_webhook"]
    assert longest > timing.SECRETS_CALL + timing.DATABASE_CONNECT + PUBLISH_AT_ONCE


@pytest.mark.parametrize("function", ANSWERING)
def test_a_function_answers_although_its_database_has_moved(function: str) -> None:
    """It must notice that the old server is gone, and connect to the new one."""
    noticed = 2 * timing.DATABASE_SILENCE
    assert noticed + timing.DATABASE_CONNECT + timing.SECRETS_CALL + PUBLISH_AT_ONCE < LIMITS[function]


BORROWED = transformed.nested("database")["Resources"]["ProxyTarget"]["Properties"][
    "ConnectionPoolConfigurationInfo"
].get("ConnectionBorrowTimeout", 120)
"""So long RDS Proxy waits for a connection, or for a new writer, before it refuses a statement."""


@pytest.mark.parametrize("function", ANSWERING)
def test_a_function_answers_although_the_proxy_has_no_connection_for_it(function: str) -> None:
    """It is refused on the connection that was open, and again on a new one."""
    assert LIMITS[function] > 2 * BORROWED + timing.DATABASE_CONNECT + PUBLISH_AT_ONCE


@pytest.mark.parametrize("function", sorted(timing.RESERVE.keys() - {"migrate"}))
def test_a_proxy_without_a_connection_takes_no_more_than_the_reserve(function: str) -> None:
    assert timing.RESERVE[function] >= 2 * BORROWED + timing.DATABASE_CONNECT


@pytest.mark.parametrize("function", ANSWERING)
def test_a_database_that_wakes_up_is_waited_for(function: str) -> None:
    wakes = int(transformed.source()["Mappings"]["Profiles"]["dev"]["ConnectTimeoutSeconds"])
    usual = int(transformed.source()["Mappings"]["Profiles"]["prod"]["ConnectTimeoutSeconds"])

    assert wakes < LIMITS[function]
    assert usual == timing.DATABASE_CONNECT


def test_stripes_sdk_pauses_as_long_as_declared() -> None:
    assert stripe.HTTPClient.INITIAL_DELAY == timing.STRIPE_RETRY_PAUSE


# What is under way when the time is up


def test_a_batch_of_credits_ends_within_its_reserve() -> None:
    reserve = timing.RESERVE["checkout_finished_consumer"]
    assert reserve >= timing.DATABASE_CONNECT + timing.DATABASE_STATEMENT


def test_a_request_ends_within_its_reserve() -> None:
    longest = timing.KEY_IN_USE + timing.STRIPE_CALL + PUBLISH_AT_ONCE + timing.DATABASE_LOCK
    assert longest <= timing.RESERVE["checkout_requests_consumer"]


def test_a_batch_of_the_outbox_ends_within_its_reserve() -> None:
    assert timing.RESERVE["outbox_relay"] > PUBLISH_BY_RELAY


def test_the_reconciler_ends_within_its_reserve() -> None:
    """A locked event after the grace, or a run of the relay at the very end."""
    reserve = timing.RESERVE["reconciler"]

    assert reserve > timing.GRACE + timing.STRIPE_CALL + PUBLISH_AT_ONCE + timing.DATABASE_LOCK
    assert reserve > timing.RELAY_IN_RECONCILER + PUBLISH_BY_RELAY


def test_an_operation_ends_within_its_function() -> None:
    assert timing.OPERATION + timing.RESERVE["reconciler"] < LIMITS["operations"]


def test_a_topic_that_nobody_reads_is_reported_in_time() -> None:
    """After a record was published to each of two topics, and how far they are read was asked a last time."""
    published = timing.PUBLISH_REQUEST + 2 * 2 * timing.PUBLISH_REQUEST + timing.PRODUCER_CLOSE
    asked = timing.PUBLISH_REQUEST + 2 * timing.PUBLISH_REQUEST
    assert published + timing.TRIGGER_COMMIT + asked < LIMITS["operations"]


def test_a_database_that_wakes_up_leaves_time_for_setup() -> None:
    """Also for a migration of large tables."""
    limit = LIMITS["migrate"]
    wakes = int(transformed.source()["Mappings"]["Profiles"]["dev"]["ConnectTimeoutSeconds"])

    assert timing.SETUP_WAKE + wakes + timing.MIGRATION + timing.RESERVE["migrate"] < limit
    assert limit <= RESOURCES["Setup"]["Properties"]["ServiceTimeout"]


def test_the_next_relay_finds_that_the_last_one_has_ended() -> None:
    assert transformed.source()["Mappings"]["Profiles"]["prod"]["RelaySchedule"] == "rate(1 minute)"
    assert LIMITS["outbox_relay"] < 60


# PostgreSQL and Kafka


def test_a_lock_is_given_up_before_its_statement_and_that_before_its_session() -> None:
    assert timing.DATABASE_LOCK < timing.DATABASE_STATEMENT < timing.DATABASE_IDLE_IN_TRANSACTION


def test_brokers_are_waited_for_in_a_transaction_without_losing_it() -> None:
    assert PUBLISH_BY_RELAY < timing.DATABASE_IDLE_IN_TRANSACTION


def test_a_producer_is_made_anew_before_its_token_ends() -> None:
    assert timing.PRODUCER_SIGNED_IN + timing.KAFKA_IDLE + PUBLISH_BY_RELAY < timing.KAFKA_TOKEN


def test_a_broker_that_is_away_is_left_alone_until_the_relay_runs() -> None:
    assert timing.PRODUCER_PAUSE < 60


def test_a_value_of_secrets_manager_is_read_again_before_it_is_old() -> None:
    assert timing.SECRETS_CALL <= timing.SECRETS_REFRESH < timing.SECRETS_KEEP


def test_a_hook_ends_in_time() -> None:
    """The version that it asks last is invoked, and Lambda is asked about its function."""
    assert timing.VERSION_RETRY < timing.VERSIONS_ASKED < LIMITS["pre_traffic"] - 2 * timing.VERSION_READ
