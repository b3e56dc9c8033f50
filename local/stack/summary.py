"""The summary of a running stack: every URL and credential, each secret once."""

from urllib.parse import urlsplit

from local.stack.description import Description
from local.stack.settings import Settings


def of(found: Description, settings: Settings) -> str:
    """The lines to print once everything is ready."""
    lines = {
        "Balance page": f"{found.balance_page_url}#token={found.demo_token or '<a token of your provider>'}",
        "Operators' console": found.console_url,
        "API": f"{found.api_url}  (Authorization: Bearer <the token above>, user {found.demo_user_id})",
        "Service token": f"{found.service_token}  (X-Service-Token)",
        "JWT secret": f"{found.jwt_secret}  (HS256)"
        if found.jwt_secret
        else "none: tokens are JWT_JWKS_URL's",
        "Stripe API": found.stripe_api_url,
        "Stripe secret key": found.stripe_secret,
        "Webhook secret": found.stripe_webhook_secret,
        "Checkout database": found.checkout_database_url,
        "Application database": _without_password_of(found.checkout_database_url, found.database_url),
        "Kafka brokers": _brokers(found),
        "All of this": str(settings.data / "stack.json"),
    }
    if settings.is_stripe_simulated:
        lines["To pay"] = "card 4242 4242 4242 4242, any date in the future, any CVC"
    elif "STRIPE_API_BASE" not in settings.given:
        lines["Webhooks"] = f"stripe listen --forward-to {found.api_url}/webhooks/stripe"
        if "STRIPE_WEBHOOK_SECRET" not in settings.given:
            lines["To do"] = (
                "STRIPE_WEBHOOK_SECRET is not set, so every webhook is refused (400): put what"
                " `stripe listen --print-secret` prints into .env"
            )
    return "\n".join(["", *(f"  {name:<21} {value}" for name, value in lines.items()), ""])


def _without_password_of(shown: str, url: str) -> str:
    """The URL without the password that `shown` has already."""
    if shown == url:
        return "the same"
    password = urlsplit(shown).password
    return url.replace(f":{password}@", ":…@") if password else url


def _brokers(found: Description) -> str:
    version = found.kafka_api_version
    return found.kafka_brokers + (f"  (kafka-python: api_version={version})" if version else "")
