"""The demo user, and the description of a stack, which has that user's token."""

import os
from collections.abc import Mapping

import psycopg2

from checkout.base import user_ids
from checkout.base.settings import DECLARED
from checkout.base.user_ids import UserId, UserIds
from local.stack import user_token
from local.stack.description import Description
from local.stack.settings import Settings

_TOKEN_SECONDS = 30 * 86_400


def insert(url: str, user_id: UserId) -> None:
    """Insert the demo user, unless that user is there already, or the application has a table of its own,
    whose rows it makes and numbers itself. Raises psycopg2.Error."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT relkind = 'r' AND array_agg(attname::text ORDER BY attname) = '{balance,email,id}'"
                "   AND NOT bool_or(attname = 'id' AND (atthasdef OR attidentity <> ''))"
                " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
                " WHERE pg_class.oid = 'users'::regclass AND attnum > 0 AND NOT attisdropped GROUP BY relkind"
            )
            if cursor.fetchone() == (True,):
                cursor.execute(
                    "INSERT INTO users (id, email, balance) VALUES (%s, %s, 0) ON CONFLICT (id) DO NOTHING",
                    (user_id, "demo@example.com"),
                )
    finally:
        connection.close()


def _ids(variables: Mapping[str, str]) -> UserIds:
    return user_ids.of(variables.get("USER_ID_TYPE", "bigint"))


def id_in(variables: Mapping[str, str]) -> UserId:
    """The demo user's id, of the type that the functions are told."""
    return _ids(variables).demo


def describe(settings: Settings, variables: Mapping[str, str], console_url: str) -> Description:
    """What others need to use the stack, as the demo user for example."""
    return Description(
        api_url=settings.url,
        balance_page_url=f"{settings.url}/balance",
        stripe_api_url=settings.stripe_url,
        checkout_database_url=variables["CHECKOUT_DATABASE_URL"],
        database_url=variables["DATABASE_URL"],
        kafka_brokers=variables["KAFKA_BROKERS"],
        kafka_api_version=variables["KAFKA_API_VERSION"] or None,
        kafka_topic_prefix=settings.topic_prefix,
        jwt_secret=variables.get("JWT_SECRET"),
        service_token=settings.current("CHECKOUT_SERVICE_TOKEN"),
        stripe_secret=variables["STRIPE_SECRET"],
        stripe_webhook_secret=settings.current("STRIPE_WEBHOOK_SECRET"),
        checkout_app_id=variables["CHECKOUT_APP_ID"],
        user_id_type=_ids(variables).name,
        demo_user_id=id_in(variables),
        demo_token=_token(variables),
        console_url=console_url,
        settings={name: value for name in DECLARED if (value := variables.get(name))},
        pid=os.getpid(),
    )


def _token(variables: Mapping[str, str]) -> str | None:
    if "JWT_SECRET" not in variables:
        return None
    return user_token.signed(variables, variables["JWT_SECRET"], id_in(variables), _TOKEN_SECONDS)
