"""How long we wait for others. All in seconds.

`tests/unit/checkout/test_timing.py` holds the relations between these, and to the functions' own limits in
template.yaml.
"""

import time
from typing import Any

RESERVE = {
    "checkout_finished_consumer": 30,
    "checkout_requests_consumer": 40,
    "outbox_relay": 25,
    "reconciler": 60,
    "migrate": 15,
}
"""Nothing is begun any more when so little of an invocation is left: what is under way ends within it."""


def time_left(context: Any, function: str) -> float:
    """How long this invocation may still begin something. `context` is Lambda's."""
    return float(context.get_remaining_time_in_millis()) / 1000 - RESERVE[function]


def deadline(context: Any, function: str) -> float:
    """The time.monotonic() after which this invocation begins nothing any more."""
    return time.monotonic() + time_left(context, function)


# PostgreSQL

DATABASE_CONNECT = 5
DATABASE_SILENCE = 5
"""A connection is given up if the server acknowledges nothing for so long, or for the time that a new one may
take, if that is longer. It may take longer to answer."""

DATABASE_LOCK = 5
DATABASE_STATEMENT = 25
DATABASE_IDLE_IN_TRANSACTION = 30

LONG_STATEMENT = 120
"""For a check or a search that reads whole tables, or a user with millions of entries."""

LONG_IDLE_IN_TRANSACTION = 300
"""For the transaction in the other database that waits meanwhile."""

HURRIED_LOCK = 0.05
HURRIED_STATEMENT = 1
"""For the parts of a batch that failed because of a lock."""

LOCKED_USERS = 2.0
"""In all, after all others of a batch were credited."""

# Stripe

STRIPE_CONNECT = 2
STRIPE_READ = 7
STRIPE_RETRIES = 1
STRIPE_RETRY_PAUSE = 0.5
"""The SDK's, before its first retry."""

STRIPE_CALL = (1 + STRIPE_RETRIES) * (STRIPE_CONNECT + STRIPE_READ) + STRIPE_RETRIES * STRIPE_RETRY_PAUSE
"""The longest that one call takes, its retries included."""

KEY_IN_USE = 5
"""While Stripe works for another process on the same idempotency key, a last call begins within this time."""

KEY_IN_USE_PAUSE = 0.2

# Kafka

PUBLISH_AT_ONCE = 2
PUBLISH_BY_RELAY = 10
PUBLISH_REQUEST = 10
"""A request of another service, by checkout.publisher."""

PRODUCER_CLOSE = 0.5
"""For a producer to give up what hangs."""

PRODUCER_PAUSE = 5
"""After a failure nobody waits for the brokers for so long; the relay delivers what is left meanwhile."""

PRODUCER_SIGNED_IN = 600
"""MSK ends a connection when the token that it was made with has expired; a producer is made anew before."""

TRIGGER_COMMIT = 200
"""For a trigger to commit a record: cold starts, and a database that is waking up."""

TRIGGER_PAUSE = 0.5

KAFKA_TOKEN = 900
KAFKA_IDLE = 45
"""Sockets that slept for longer are not trusted: brokers and NAT gateways forget them without a word."""


def longest_publish(timeout: float) -> float:
    return timeout + PRODUCER_CLOSE


# Secrets Manager

SECRETS_CONNECT = 2
SECRETS_READ = 3
SECRETS_ATTEMPTS = 2
SECRETS_CALL = SECRETS_ATTEMPTS * (SECRETS_CONNECT + SECRETS_READ)
SECRETS_KEEP = 300
SECRETS_REFRESH = 10
"""A caller with a wrong token must not make us ask Secrets Manager at every request."""

# The identity provider

PROVIDER_READ = 3
"""For its configuration and its keys together."""

PROVIDER_PAUSE = 60
"""Between two attempts to read them, failed ones included."""

PROVIDER_KEEP = 900
PROVIDER_KEEP_AT_MOST = 86_400
"""While the provider is away."""

# The runs of the reconciler and of operators

GRACE = 20
"""After the deadline, to finish a page of events: each takes seconds if it is locked or Stripe is slow."""

RELAY_IN_RECONCILER = 10
OPERATION = 200
"""A long verb ends then, and the next run continues."""

# A release

SELF_CHECK_BROKER = 10.0
SETUP_WAKE = 180.0
"""Aurora that was paused for a day needs more than one attempt to connect; a failed update is rolled back."""

SETUP_PAUSE = 5.0

MIGRATION = 600
"""For one statement of a migration, such as an index on a large table, or millions of users' balances."""
VERSION_READ = 60
"""A cold start, and a database that is waking up."""

VERSION_RETRY = 240.0
"""Since a hook began. Other hooks take the account's environments meanwhile, and IAM takes a while to know
what a role may do."""

VERSIONS_ASKED = 450.0
"""Since a hook began. Then it asks no further version, so CodeDeploy gets an answer."""
