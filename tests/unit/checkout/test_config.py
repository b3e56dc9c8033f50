"""Settings: defaults, what is refused, and secrets from Secrets Manager."""

import json
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import jwt
import pytest
from moto import mock_aws

from checkout.api.callers import Authenticator
from checkout.api.tokens import Rules, Tokens
from checkout.base import timing
from checkout.base.config import Config
from checkout.base.errors import ConfigurationError, NotAuthenticated, NotYetConfigured, Unavailable
from checkout.base.secrets_manager import SecretsManager
from checkout.base.setting import Setting
from checkout.base.settings import DECLARED
from checkout.base.user_ids import UserId
from tests.support.functions import bearer
from tests.support.settings import put, sign_in_to_aws


def test_defaults() -> None:
    config = Config({"CHECKOUT_DATABASE_URL": "postgresql://x", "PUBLIC_ORIGIN": "https://pay.example.com/"})
    assert (config.currency, config.min_amount_cents, config.max_amount_cents) == ("eur", 50, 1_000_000)
    assert (config.max_open_sessions_per_hour, config.max_body_bytes, config.reemit_after_seconds) == (
        20,
        65_536,
        300,
    )
    assert config.database_url() == "postgresql://x"
    assert config.public_origin == "https://pay.example.com"
    assert (config.kafka_api_version, config.stripe_api_base, config.jwt_jwks_url, config.jwt_issuer) == (
        None,
    ) * 4
    assert config.refresh_secrets("JWT_SECRET") is False


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("STRIPE_SECRET", Config.stripe_secret),
        ("STRIPE_WEBHOOK_SECRET", Config.webhook_secrets),
        ("JWT_SECRET", Config.jwt_secrets),
        ("CHECKOUT_SERVICE_TOKEN", Config.service_tokens),
        ("CHECKOUT_DATABASE_URL", Config.database_url),
        ("KAFKA_BROKERS", lambda config: config.kafka_brokers),
        ("CHECKOUT_APP_ID", lambda config: config.app_id),
    ],
)
def test_a_missing_setting_is_named(name: str, read: object) -> None:
    for environment in ({}, {name: "  "}):
        with pytest.raises(ConfigurationError, match=name):
            read(Config(environment))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("DATABASE_AUTH", "iam", "must be IAM, or empty if the URL has a password"),
        ("DATABASE_CONNECT_TIMEOUT_SECONDS", "0", "must be a whole number of at least 1"),
        ("KAFKA_BROKERS", "a:1,,b:2", "has an empty element; it must be host:port,host:port"),
        ("KAFKA_TOPIC_PREFIX", "staging:", "must be 1 to 100 ASCII letters, digits, dots, underscores or"),
        ("KAFKA_SECURITY", "SSL", "must be one of PLAINTEXT, SCRAM, SCRAM-SHA-256, SCRAM-SHA-512, PLAIN and"),
        ("KAFKA_IDLE_SECONDS", "1.5", "must be a whole number of at least 1"),
        ("KAFKA_PARTIAL_RESPONSES", "0", "must be true or false"),
        ("KAFKA_API_VERSION", "2.3-rc1", "must be a version, such as 2.3"),
        ("PUBLIC_ORIGIN", "http://pay.example.com", "must be https://host"),
        ("BALANCE_CURRENCY", "euro", "must be the three letters of a currency, such as eur"),
        ("BALANCE_UNIT", "x" * 21, "must be 1 to 20 printable characters, such as credits"),
        ("MIN_AMOUNT_CENTS", "0.5", "must be a whole number of at least 1"),
        ("MAX_AMOUNT_CENTS", "much", "must be a whole number of at least 1"),
        ("MAX_OPEN_SESSIONS_PER_HOUR", "-1", "must be a whole number of at least 1"),
        ("DAILY_AMOUNT_CENTS_LIMIT", "1e6", "must be a whole number of at least 1"),
        ("DAILY_COUNT_LIMIT", "ten", "must be a whole number of at least 1"),
        ("ALLOWED_REDIRECT_ORIGINS", "shop.example.com", "must be https://host"),
        ("MAX_BODY_BYTES", "64k", "must be a whole number of at least 1"),
        ("FOREIGN_PRODUCERS", "yes", "must be true or false"),
        ("REEMIT_AFTER_SECONDS", "5 min", "must be a whole number of at least 1"),
        ("RETENTION_DAYS", "7", "must be more than 30"),
        ("STRIPE_WEBHOOK_SOURCES", "nonsense", "must be addresses or networks, such as 192.0.2.1,198"),
        ("JWT_JWKS_URL", "http://id.example.com", "must be https://"),
        ("JWT_AUDIENCE", "a,,b", "has an empty element; it must be values with commas between them"),
        ("JWT_USER_CLAIM", "/o/~2", "must be a claim's name (org_id), or a JSON Pointer"),
        ("JWT_MAX_AGE_SECONDS", "1h", "must be a whole number of at least 1"),
        ("USER_ID_TYPE", "int", "must be one of bigint, uuid, text"),
        ("PRICES", '{"amount_cents": 1000}', "must be a JSON list, such as"),
        ("PRICES", "[1000", "cannot be read: not valid JSON"),
        ("PRICES_ONLY", "1", "must be true or false"),
        ("CREDIT_PER_CENT", "0.1", "must be a positive number of up to nine digits, or a fraction of two"),
        ("STRIPE_SESSION_OPTIONS", "[]", "must be a JSON object, such as"),
        ("STRIPE_SESSION_OPTIONS", '{"mode": "setup"}', "has mode, and may only have"),
        ("PRICE_TAX_BEHAVIOR", "both", "must be inclusive or exclusive"),
        ("PRICE_TAX_CODE", "books", "must be one of Stripe's tax codes, such as txcd_10000000"),
        ("SESSION_EXPIRES_IN_MINUTES", "30", "must be a whole number from 31 to 1439"),
        ("ADJUST_LIMIT_CENTS", "none", "must be a whole number of at least 1"),
        ("FOUR_EYES_CENTS", "100 EUR", "must be a whole number of at least 1"),
        ("FRAUD_WARNING_ACTION", "refund", "must be none"),
    ],
)
def test_an_unusable_setting_is_named_with_what_it_must_be(name: str, value: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(f'{name} {complaint}')}"):
        Config({name: value}).check()


FREE = {
    *("DATABASE_ROLE", "DATABASE_MASTER_SECRET_ARN", "KAFKA_CLUSTER_ARN", "KAFKA_SECRET_ARN"),
    *("KAFKA_CA_FILE", "KAFKA_ROOT_SECRET_ARN", "CHECKOUT_APP_ID", "SECRET_ARN", "STRIPE_SECRET_ARN"),
    *("DATABASE_SECRET_ARN", "RELEASE", "NEW_VERSIONS", "STRIPE_API_BASE", "JWT_ISSUER"),
}
"""Settings that any text is good for."""


@pytest.mark.parametrize("name", [one.name for one in DECLARED.values() if isinstance(one, Setting)])
def test_no_setting_is_left_unparsed_at_start(name: str) -> None:
    environment = {name: "/~,,\N{BELL}" * 100}
    if name in FREE:
        Config(environment).check_settings()
    else:
        with pytest.raises(ConfigurationError, match=f"^{name} "):
            Config(environment).check_settings()


@pytest.mark.parametrize(("text", "is_set"), [("false", False), ("False", False), ("true", True)])
def test_false_in_any_case_is_false(text: str, is_set: bool) -> None:
    assert Config({"KAFKA_PARTIAL_RESPONSES": text}).kafka_partial_responses is is_set


@pytest.mark.parametrize(
    ("key", "live"), [("sk_test_1", False), ("rk_test_1", False), ("sk_live_1", True), ("rk_live_1", True)]
)
def test_the_mode_of_the_key(key: str, live: bool) -> None:
    assert Config({"STRIPE_SECRET": key}).stripe_livemode() is live


def test_several_and_versions() -> None:
    config = Config(
        {
            "STRIPE_WEBHOOK_SECRET": "a, b",
            "KAFKA_BROKERS": "h:1, i:2",
            "KAFKA_API_VERSION": "2.3",
            "BALANCE_CURRENCY": "USD",
        }
    )
    assert config.webhook_secrets() == ("a", "b")
    assert config.kafka_brokers == ("h:1", "i:2")
    assert config.kafka_api_version == (2, 3)
    assert config.currency == "usd"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Secrets Manager's client in an empty account."""
    sign_in_to_aws(monkeypatch)
    with mock_aws():
        yield boto3.client("secretsmanager")


def test_secrets_are_kept_for_five_minutes_and_read_again_when_one_fails(
    account: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = account
    arn = client.create_secret(Name="checkout", SecretString=json.dumps({"JWT_SECRET": "old"}))["ARN"]
    config = Config({"SECRET_ARN": arn, "STRIPE_SECRET": "sk_test_of_the_environment"})
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)

    assert config.jwt_secrets() == ("old",)
    assert config.stripe_secret() == "sk_test_of_the_environment", "the environment wins"
    client.put_secret_value(SecretId=arn, SecretString=json.dumps({"JWT_SECRET": "new"}))
    assert config.jwt_secrets() == ("old",)
    assert config.refresh_secrets("JWT_SECRET") is False, "asked a moment ago"
    now += timing.SECRETS_REFRESH
    assert config.refresh_secrets("JWT_SECRET") is True
    assert config.jwt_secrets() == ("new",)
    client.put_secret_value(SecretId=arn, SecretString=json.dumps({"JWT_SECRET": "newest"}))
    now += timing.SECRETS_KEEP + 1
    assert config.jwt_secrets() == ("newest",)


def test_each_value_is_looked_for_in_its_own_secret(account: Any) -> None:
    values = {"JWT_SECRET": "j", "STRIPE_SECRET": "sk_test_1", "DATABASE_URL": "postgresql://x"}
    arns = {
        setting: account.create_secret(Name=name, SecretString=json.dumps({name: values[name]}))["ARN"]
        for setting, name in zip(
            ("SECRET_ARN", "STRIPE_SECRET_ARN", "DATABASE_SECRET_ARN"), values, strict=True
        )
    }
    config = Config(arns)
    assert (config.jwt_secrets(), config.stripe_secret()) == (("j",), "sk_test_1")
    assert config.database_url() == "postgresql://x"
    crossed = Config({"SECRET_ARN": arns["STRIPE_SECRET_ARN"], "STRIPE_SECRET_ARN": arns["SECRET_ARN"]})
    with pytest.raises(ConfigurationError, match="JWT_SECRET is not set"):
        crossed.jwt_secrets()
    with pytest.raises(NotYetConfigured, match="STRIPE_SECRET is not in the secret yet"):
        crossed.stripe_secret()


def test_a_database_that_an_earlier_release_found_is_not_silently_another_one(account: Any) -> None:
    url = "postgresql://application"
    arn = account.create_secret(Name="checkout", SecretString=json.dumps({"DATABASE_URL": url}))["ARN"]
    checkout = {"SECRET_ARN": arn, "CHECKOUT_DATABASE_URL": "postgresql://checkout"}
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL is in the secret.*DatabaseUrlSecretArn"):
        Config(checkout).check()
    config = Config({**checkout, "DATABASE_SECRET_ARN": arn})
    config.check()
    assert config.database_url() == url


def test_a_secret_that_cannot_be_read_is_away_and_says_why(account: Any) -> None:
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        SecretsManager("nothing").get("JWT_SECRET")


def test_secrets_manager_is_not_waited_for_longer_than_a_request_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in_to_aws(monkeypatch)
    monkeypatch.setattr(timing, "SECRETS_READ", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        put(monkeypatch, AWS_ENDPOINT_URL_SECRETS_MANAGER=f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            SecretsManager("checkout").get("JWT_SECRET")

    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("content", ["", "[]", "no JSON"])
def test_a_secret_that_is_no_object_is_refused_without_being_shown(account: Any, content: str) -> None:
    arn = account.create_secret(Name="checkout", SecretString=content or "-")["ARN"]

    with pytest.raises(ConfigurationError, match="must be a JSON object") as refused:
        SecretsManager(arn).get("JWT_SECRET")
    assert not content or content not in str(refused.value)


@pytest.mark.parametrize("value", [["one-of-the-tokens-that-services-have"], 7, True])
def test_a_value_that_is_no_text_is_named_without_being_shown(account: Any, value: Any) -> None:
    arn = account.create_secret(Name="checkout", SecretString=json.dumps({"SERVICES": value}))["ARN"]

    with pytest.raises(ConfigurationError, match=r"^SERVICES in Secrets Manager must be a text\.$"):
        Config({"SECRET_ARN": arn}).check()


def test_a_secret_into_which_nothing_was_put_has_no_values(account: Any) -> None:
    """As CloudFormation makes it. One that is not there is something else."""
    arn = account.create_secret(Name="checkout")["ARN"]

    assert SecretsManager(arn).get("JWT_SECRET") is None
    assert SecretsManager(arn).generate_missing(["JWT_SECRET"]) == ["JWT_SECRET"]
    assert len(SecretsManager(arn).get("JWT_SECRET") or "") == 64
    with pytest.raises(Unavailable, match="ResourceNotFoundException"):
        SecretsManager(arn.replace("checkout", "gone")).get("JWT_SECRET")


def test_only_what_a_secret_lacks_is_generated_and_only_once(account: Any) -> None:
    given = {"JWT_SECRET": "", "CHECKOUT_SERVICE_TOKEN": "given", "STRIPE_SECRET": "sk_test_1"}
    arn = account.create_secret(Name="checkout", SecretString=json.dumps(given))["ARN"]
    names = ["JWT_SECRET", "CHECKOUT_SERVICE_TOKEN"]

    assert SecretsManager(arn).generate_missing(names) == ["JWT_SECRET"]
    kept = json.loads(account.get_secret_value(SecretId=arn)["SecretString"])
    assert len(kept.pop("JWT_SECRET")) == 64
    assert kept == {"CHECKOUT_SERVICE_TOKEN": "given", "STRIPE_SECRET": "sk_test_1"}
    assert SecretsManager(arn).generate_missing(names) == []
    assert len(account.list_secret_version_ids(SecretId=arn)["Versions"]) == 2


def test_a_token_made_with_the_newest_secret_is_tried_again() -> None:
    from tests.support.functions import JWT_SECRET

    current = ["x" * 32]

    def refresh() -> bool:
        current[0] = JWT_SECRET
        return True

    authenticator = Authenticator(Tokens(lambda: [current[0]], Rules()), lambda: (), refresh)
    assert authenticator.user(bearer(7)) == 7
    with pytest.raises(NotAuthenticated):
        authenticator.user({"authorization": "Bearer x"})


def test_audience_and_issuer_count_only_where_configured() -> None:
    from tests.support.functions import JWT_SECRET, token

    def user(audience: str | None = None, issuer: str | None = None) -> UserId:
        rules = Rules(frozenset({audience} if audience else ()), issuer)
        authenticator = Authenticator(Tokens(lambda: [JWT_SECRET], rules), lambda: (), lambda: False)
        return authenticator.user({"authorization": f"bearer {token(7, aud='us', iss='them')}"})

    assert user() == user(audience="us") == user(issuer="them") == 7
    for wrong in ({"audience": "others"}, {"issuer": "others"}):
        with pytest.raises(NotAuthenticated):
            user(**wrong)


@pytest.mark.parametrize(
    ("claims", "is_valid"),
    [
        ({"exp": 3600}, True),
        ({"exp": 3600 + 29}, True),
        ({"exp": 3600 + 31}, False),
        ({"iat": -1800, "exp": 1800}, True),
        ({"iat": -1801, "exp": 1800}, False),
        ({"iat": 20, "exp": 3600}, True),
    ],
)
def test_a_token_lives_no_longer_than_it_may(
    monkeypatch: pytest.MonkeyPatch, claims: dict[str, int], is_valid: bool
) -> None:
    from tests.support.functions import JWT_SECRET, token

    now = int(time.time())
    monkeypatch.setattr(time, "time", lambda: now)
    given = {name: now + seconds for name, seconds in claims.items()}
    rules = Rules(max_age_seconds=3600)
    authenticator = Authenticator(Tokens(lambda: [JWT_SECRET], rules), lambda: (), lambda: False)
    headers = {"authorization": f"Bearer {token(7, **given)}"}

    if is_valid:
        assert authenticator.user(headers) == 7
    else:
        with pytest.raises(NotAuthenticated):
            authenticator.user(headers)


def test_what_can_be_guessed_is_refused_at_start_without_being_shown() -> None:
    long = "long-enough-for-what-it-is-used-for"
    Config({}).check()
    Config({"JWT_SECRET": long, "CHECKOUT_SERVICE_TOKEN": f"{long}, {long}2"}).check()
    for name in ("JWT_SECRET", "JWT_SECRET_PREVIOUS", "CHECKOUT_SERVICE_TOKEN", "STRIPE_WEBHOOK_SECRET"):
        with pytest.raises(ConfigurationError, match=f"^{name} has fewer") as refused:
            Config({name: "guess-me"}).check()
        assert "guess-me" not in str(refused.value)


@pytest.mark.parametrize(
    ("until", "is_accepted"),
    [("", True), ("2999-01-01T00:00:00Z", True), ("2026-01-01T00:00:00+01:00", False)],
)
def test_a_previous_value_has_an_end(until: str, is_accepted: bool) -> None:
    config = Config(
        {
            "STRIPE_WEBHOOK_SECRET": "new, old",
            "STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL": until,
            "JWT_SECRET": "new",
            "JWT_SECRET_PREVIOUS": "old",
            "JWT_SECRET_PREVIOUS_UNTIL": until,
        }
    )
    assert config.webhook_secrets() == config.jwt_secrets() == (("new", "old") if is_accepted else ("new",))


@pytest.mark.parametrize("until", ["tomorrow", "2026-11-24", "2026-11-24T12:00:00", "1764000000"])
@pytest.mark.parametrize("name", ["STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL", "JWT_SECRET_PREVIOUS_UNTIL"])
def test_an_end_that_cannot_be_read_is_named_at_start(name: str, until: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{name} must be a time"):
        Config({name: until}).check()


def test_tokens_of_the_previous_secret_are_accepted_while_it_is_there() -> None:
    old, new = "o" * 32, "n" * 32
    settings = {"JWT_SECRET": new, "JWT_SECRET_PREVIOUS": old}

    def user(secret: str) -> UserId:
        tokens = Tokens(Config(settings).jwt_secrets, Rules())
        authenticator = Authenticator(tokens, lambda: (), lambda: False)
        claims = {"sub": "7", "exp": int(time.time()) + 60}
        return authenticator.user({"authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"})

    assert user(old) == user(new) == 7
    del settings["JWT_SECRET_PREVIOUS"]
    assert user(new) == 7
    with pytest.raises(NotAuthenticated):
        user(old)


# An identity provider

PROVIDER = {
    "JWT_JWKS_URL": "https://id.example.com/.well-known/openid-configuration",
    "JWT_ISSUER": "https://id.example.com",
    "JWT_AUDIENCE": "web, app",
}


def test_a_provider_signs_instead_of_our_secret_or_next_to_it() -> None:
    config = Config({**PROVIDER, "JWT_SECRET_PREVIOUS": "p" * 32, "CHECKOUT_SERVICE_TOKEN": "s" * 20})
    config.check()
    assert config.jwt_secrets() == ()
    assert config.jwt_audiences == {"web", "app"}
    assert config.sealing_secrets() == ("s" * 20,)
    assert Config({**PROVIDER, "JWT_SECRET": "j" * 32}).sealing_secrets() == ("j" * 32,)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"JWT_ISSUER": ""}, "JWT_ISSUER is not set, and JWT_JWKS_URL needs it"),
        ({"JWT_AUDIENCE": ""}, "JWT_AUDIENCE is not set, and JWT_JWKS_URL needs it"),
        ({"JWT_AUDIENCE": "web,"}, "JWT_AUDIENCE has an empty element"),
        ({"JWT_JWKS_URL": "http://id.example.com/keys"}, "JWT_JWKS_URL must be https"),
        ({"JWT_JWKS_URL": "http://keys/"}, "JWT_JWKS_URL must be https"),
        ({"JWT_JWKS_URL": "https://me@id.example.com/"}, "JWT_JWKS_URL must be https"),
        ({"JWT_JWKS_URL": "https://id.example.com/#keys"}, "JWT_JWKS_URL must be https"),
        ({"JWT_JWKS_URL": "https://id.example.com:x/"}, "JWT_JWKS_URL must be https"),
        ({"JWT_JWKS_URL": "file:///keys"}, "JWT_JWKS_URL must be https"),
        ({"JWT_USER_CLAIM": "/o/~2"}, "JWT_USER_CLAIM must be a claim's name"),
    ],
)
def test_a_provider_that_cannot_be_trusted_is_refused_at_start(changed: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        Config({**PROVIDER, **changed}).check()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/keys", "http://[::1]/keys", "https://id.example.com:8443/k?a=b"]
)
def test_a_provider_on_this_machine_needs_no_tls(url: str) -> None:
    assert Config({**PROVIDER, "JWT_JWKS_URL": url}).jwt_jwks_url == url


@pytest.mark.parametrize(
    ("claim", "claims", "expected"),
    [
        (None, {"sub": "7"}, 7),
        ("org_id", {"sub": "7", "org_id": "8"}, 8),
        ("https://example.com/account.id", {"https://example.com/account.id": "8"}, 8),
        ("/o/id", {"o": {"id": "8"}}, 8),
        ("/a~1b/c~0d", {"a/b": {"c~d": "8"}}, 8),
        ("org_id", {"sub": "7"}, None),
        ("/o/id", {"o": "8"}, None),
        ("/o/0", {"o": ["8"]}, None),
        ("/o", {"o": {"id": "8"}}, None),
        ("org_id", {"org_id": 8}, None),
    ],
)
def test_another_claim_can_name_the_account(
    claim: str | None, claims: dict[str, Any], expected: int | None
) -> None:
    from tests.support.functions import JWT_SECRET, token

    names = Config({"JWT_USER_CLAIM": claim or ""}).jwt_user_claim
    tokens = Tokens(lambda: [JWT_SECRET], Rules())
    authenticator = Authenticator(tokens, lambda: (), lambda: False, user_claim=names)
    headers = {"authorization": f"Bearer {token('1', **{'sub': None, **claims})}"}
    if expected is None:
        with pytest.raises(NotAuthenticated):
            authenticator.user(headers)
    else:
        assert authenticator.user(headers) == expected
