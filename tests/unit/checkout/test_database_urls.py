"""Whose name a database's URL has, and on which server it is."""

import json

import boto3
import pytest
from moto import mock_aws

from checkout.base import database_urls
from checkout.base.config import Config
from tests.support.settings import sign_in_to_aws

OURS = "postgresql://proxy.example:5432/checkout?sslmode=verify-full&sslrootcert=/roots.pem"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql:///shop",
            "postgresql://proxy.example:5432/shop?sslmode=verify-full&sslrootcert=/roots.pem",
        ),
        (
            "postgresql://old.example:6432/shop?options=-csearch_path%3Dshop&sslmode=require",
            "postgresql://proxy.example:5432/shop?options=-csearch_path%3Dshop&sslmode=verify-full&sslrootcert=/roots.pem",
        ),
        (
            "postgresql://role@old.example/shop?sslmode=verify-full&sslrootcert=/x",
            "postgresql://role@proxy.example:5432/shop?sslmode=verify-full&sslrootcert=/roots.pem",
        ),
    ],
)
def test_another_database_on_the_same_server(url: str, expected: str) -> None:
    assert database_urls.on_server_of(url, OURS) == expected


def test_a_role_and_a_password_are_quoted() -> None:
    assert database_urls.signed_in("postgresql://h:1/d", "a@b") == "postgresql://a%40b@h:1/d"
    assert database_urls.signed_in("postgresql://x:y@h:1/d?z", "a", "p/@") == "postgresql://a:p%2F%40@h:1/d?z"


@pytest.mark.parametrize("password", ["pa[ss", "p@ss", "p\uff20ss"])
def test_a_password_that_urllib_refuses_is_libpq_s_to_judge(password: str) -> None:
    url = f"postgresql://app:{password}@h:1/d"
    assert Config({"CHECKOUT_DATABASE_URL": url}).checkout_database_url() == url
    assert database_urls.names_somebody(url)
    assert database_urls.signed_in(url, "role") == "postgresql://role@h:1/d"


def test_what_is_no_url_stays_as_it_is() -> None:
    assert database_urls.on_server_of("host=h dbname=d", OURS) == "host=h dbname=d"
    assert database_urls.signed_in("host=h dbname=d", "role") == "host=h dbname=d"


def test_by_iam_the_application_s_database_is_on_the_server_of_the_stack() -> None:
    given = {"CHECKOUT_DATABASE_URL": OURS, "DATABASE_URL": "postgresql://cluster.example/shop"}
    by_iam = Config({**given, "DATABASE_AUTH": "IAM", "DATABASE_ROLE": "checkout_account"})
    assert by_iam.database_url().startswith("postgresql://checkout_account@proxy.example:5432/shop?sslmode=")
    assert Config(given).database_url() == "postgresql://cluster.example/shop", (
        "with passwords it may be anywhere"
    )


def test_by_iam_nobody_signs_in_as_the_application_s_own_user() -> None:
    """An application already has a URL, with its own user and password."""
    given = {"CHECKOUT_DATABASE_URL": OURS, "DATABASE_URL": "postgresql://app:secret@cluster.example/shop"}
    by_iam = Config({**given, "DATABASE_AUTH": "IAM", "DATABASE_ROLE": "checkout_account"})
    assert by_iam.database_url().startswith("postgresql://checkout_account@proxy.example:5432/shop?sslmode=")
    assert Config(given).database_url() == given["DATABASE_URL"]


@mock_aws
def test_migrate_signs_in_to_the_cluster_also_if_the_url_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in_to_aws(monkeypatch)
    login = json.dumps({"username": "master", "password": "p@ss"})
    arn = boto3.client("secretsmanager").create_secret(Name="master", SecretString=login)["ARN"]
    config = Config(
        {
            "CHECKOUT_DATABASE_URL": "postgresql://cluster.example:5432/checkout",
            "DATABASE_URL": "postgresql://proxy.example/shop",
            "DATABASE_MASTER_SECRET_ARN": arn,
        }
    )
    assert config.database_url() == "postgresql://master:p%40ss@cluster.example:5432/shop"
