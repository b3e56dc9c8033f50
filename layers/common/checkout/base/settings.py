"""Every setting, declared once: its name, how it is read, its default, and a sentence for the README.

A test holds the README's table, .env.example and the templates to this.
"""

from checkout.base import setting, timing
from checkout.base.identity_settings import IdentitySettings
from checkout.base.operator_settings import OperatorSettings
from checkout.base.price_settings import PriceSettings
from checkout.base.setting import Secret, Setting

DEFAULT_MAX_AMOUNT_CENTS = 1_000_000

OF_CALLERS = "SECRET_ARN"
OF_STRIPE = "STRIPE_SECRET_ARN"
OF_DATABASES = "DATABASE_SECRET_ARN"
"""The settings with the ARNs of secrets in Secrets Manager: several, since no function needs all values."""

SECRETS = (
    Secret("STRIPE_SECRET", "Stripe's secret key", kept_in=OF_STRIPE, is_required=True, by_the_operator=True),
    Secret(
        "STRIPE_WEBHOOK_SECRET",
        "signing secret of the endpoint; several, comma-separated, while one is rotated",
        kept_in=OF_STRIPE,
        is_required=True,
        by_the_operator=True,
        has_several=True,
        least_bytes=20,
    ),
    Secret(
        "JWT_SECRET",
        "HS256 key of the users' tokens, 32 bytes or more; not needed with `JWT_JWKS_URL`",
        is_required=True,
        least_bytes=32,
    ),
    Secret("JWT_SECRET_PREVIOUS", "also accepted while `JWT_SECRET` is being rotated", least_bytes=32),
    # Not secret, but kept with the secrets, since they change with them.
    Secret(
        "STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL",
        "until when the webhook secrets after the first are accepted: `2026-11-24T12:00:00Z`",
        kept_in=OF_STRIPE,
    ),
    Secret(
        "JWT_SECRET_PREVIOUS_UNTIL", "until when `JWT_SECRET_PREVIOUS` is accepted: `2026-11-24T12:00:00Z`"
    ),
    Secret(
        "CHECKOUT_SERVICE_TOKEN",
        "what a service sends as `X-Service-Token` to create sessions, 20 characters or more; several,"
        " comma-separated",
        is_required=True,
        has_several=True,
        least_bytes=20,
    ),
    Secret(
        "SERVICES",
        'services with names and scopes: `{"shop": {"tokens": ["…"], "scopes": ["sessions"]}}`; the scopes'
        " are `sessions`, and `balances:read`, `balances:spend`, `balances:grant` for routes of a later"
        " release; a token has 20 characters or more",
    ),
    Secret(
        "CHECKOUT_DATABASE_URL",
        "`postgresql://…` with the tables of checkout",
        kept_in=OF_DATABASES,
        is_required=True,
    ),
    Secret(
        "DATABASE_URL",
        "`postgresql://…` with `users` and the ledger; with `DATABASE_AUTH=IAM` it is on the server of the"
        " other one, whatever host it names",
        kept_in=OF_DATABASES,
    ),
    Secret("KAFKA_USERNAME", "for `SCRAM` and `PLAIN`"),
    Secret("KAFKA_PASSWORD", "for `SCRAM` and `PLAIN`"),
)


class Settings(IdentitySettings, PriceSettings, OperatorSettings):
    """All settings that are not secret."""

    database_by_iam = Setting(
        "DATABASE_AUTH",
        setting.is_iam,
        "`IAM`: the role in the URL signs in with an RDS token; `Setup` sets its timeouts",
        default=False,
    )
    database_role = Setting(
        "DATABASE_ROLE",
        setting.optional_text,
        "with `IAM`, the role that signs in, unless `CHECKOUT_DATABASE_URL` names one",
    )
    database_connect_timeout_seconds = Setting(
        "DATABASE_CONNECT_TIMEOUT_SECONDS",
        setting.number,
        "how long a connection may take; 25 if the database may be asleep",
        default=timing.DATABASE_CONNECT,
    )
    database_master_secret_arn = Setting(
        "DATABASE_MASTER_SECRET_ARN",
        setting.optional_text,
        "for `migrate` alone: the secret with `username` and `password` of the databases' owner",
    )
    kafka_brokers = Setting("KAFKA_BROKERS", setting.brokers, "`host:port,host:port`", is_required=True)
    kafka_cluster_arn = Setting(
        "KAFKA_CLUSTER_ARN",
        setting.optional_text,
        "for `migrate` alone: the MSK cluster that is asked for its brokers, instead of `KAFKA_BROKERS`",
    )
    kafka_topic_prefix = Setting(
        "KAFKA_TOPIC_PREFIX",
        setting.topic_prefix,
        "before the names of topics and consumer groups, for stacks that share a cluster: `staging.`",
    )
    kafka_security = Setting(
        "KAFKA_SECURITY",
        setting.security,
        "how to sign in to the brokers: `PLAINTEXT`, or by TLS with `SCRAM` (the same as `SCRAM-SHA-512`),"
        " `SCRAM-SHA-256`, `PLAIN` or `IAM`",
        default="PLAINTEXT",
    )
    kafka_secret_arn = Setting(
        "KAFKA_SECRET_ARN",
        setting.optional_text,
        "the secret with `username` and `password`, instead of `KAFKA_USERNAME` and `KAFKA_PASSWORD`",
    )
    kafka_ca_file = Setting(
        "KAFKA_CA_FILE", setting.optional_text, "file of the certificates (PEM) to trust by TLS"
    )
    kafka_root_secret_arn = Setting(
        "KAFKA_ROOT_SECRET_ARN",
        setting.optional_text,
        "the secret with the `certificate` (PEM) to trust by TLS, instead of `KAFKA_CA_FILE`",
    )
    kafka_idle_seconds = Setting(
        "KAFKA_IDLE_SECONDS",
        setting.number,
        "a connection that was idle for longer is replaced; less than the idle timeouts of brokers and NAT",
        default=timing.KAFKA_IDLE,
    )
    kafka_partial_responses = Setting(
        "KAFKA_PARTIAL_RESPONSES",
        setting.yes_or_no,
        "`false` if the trigger polls on demand: it repeats a batch as a whole",
        default=True,
    )
    kafka_api_version = Setting(
        "KAFKA_API_VERSION",
        setting.version,
        "for `migrate` and `operations` alone: the version of brokers that cannot negotiate it: `2.3`",
    )
    app_id = Setting(
        "CHECKOUT_APP_ID",
        setting.text,
        "marks our objects at Stripe; another one for each stack on a Stripe account, and it never changes",
        is_required=True,
    )
    secret_arn = Setting(
        OF_CALLERS,
        setting.optional_text,
        "the secret in Secrets Manager with the callers' credentials: `JWT_…`, `CHECKOUT_SERVICE_TOKEN`,"
        " `SERVICES`; a value in the environment wins over it",
    )
    stripe_secret_arn = Setting(
        OF_STRIPE, setting.optional_text, "the same with Stripe's values: `STRIPE_…SECRET…`"
    )
    database_secret_arn = Setting(OF_DATABASES, setting.optional_text, "the same with `…DATABASE_URL`")
    public_origin = Setting(
        "PUBLIC_ORIGIN",
        setting.own_origin,
        "where the browser sees us, `https://host[:port]`; http on this machine alone",
    )
    currency = Setting(
        "BALANCE_CURRENCY",
        setting.currency,
        "the one currency of all balances, in three letters",
        default="eur",
    )
    given_min_amount_cents = Setting(
        "MIN_AMOUNT_CENTS", setting.optional_number, "the least amount of one top-up in minor units"
    )
    max_amount_cents = Setting(
        "MAX_AMOUNT_CENTS",
        setting.number,
        "the greatest amount of one top-up in minor units",
        default=DEFAULT_MAX_AMOUNT_CENTS,
    )
    max_open_sessions_per_hour = Setting(
        "MAX_OPEN_SESSIONS_PER_HOUR",
        setting.number,
        "unpaid sessions that a user may begin in an hour; repeating a known request does not count",
        default=20,
    )
    daily_amount_cents_limit = Setting(
        "DAILY_AMOUNT_CENTS_LIMIT",
        setting.optional_number,
        "what a user may pay in a UTC day; what a code for 100 % has paid counts with its price",
    )
    daily_count_limit = Setting(
        "DAILY_COUNT_LIMIT", setting.optional_number, "how many payments a user may begin in a UTC day"
    )
    allowed_redirect_origins = Setting(
        "ALLOWED_REDIRECT_ORIGINS",
        setting.origins,
        "where `success_url` and `cancel_url` of requests through Kafka may lead, besides our page:"
        " `https://host[:port]`, comma-separated",
        default=frozenset[str](),
    )
    max_body_bytes = Setting(
        "MAX_BODY_BYTES", setting.number, "largest body of an API request", default=65_536
    )
    foreign_producers = Setting(
        "FOREIGN_PRODUCERS",
        setting.yes_or_no,
        "`true` if other services put credits on `checkout.finished`, too: `verify` then lists them without"
        " an alarm",
        default=False,
    )
    reemit_after_seconds = Setting(
        "REEMIT_AFTER_SECONDS",
        setting.number,
        "after how long a payment without a ledger entry is emitted again",
        default=300,
    )
    release = Setting("RELEASE", setting.optional_text, "which build this is, as a self-check reports it")
    retention_days = Setting(
        "RETENTION_DAYS",
        setting.retention_days,
        "how long personal data stays in settled events and decided records; more than 30",
        default=90,
    )
    webhook_sources = Setting(
        "STRIPE_WEBHOOK_SOURCES",
        setting.networks,
        "addresses and networks that webhooks must come from, comma-separated, as Stripe publishes them",
        default=setting.Networks(),
    )
    new_versions = Setting(
        "NEW_VERSIONS",
        setting.parts,
        "for `pre_traffic` alone: ARNs of the versions that it judges, comma-separated",
        is_required=True,
    )
    stripe_api_base = Setting("STRIPE_API_BASE", setting.optional_text, "another address of Stripe's API")


DECLARED = {
    one.name: one
    for one in (*SECRETS, *(one for declaring in Settings.__mro__ for one in vars(declaring).values()))
    if isinstance(one, Secret | Setting)
}
