"""Stripe's side of a stack: its key in the secret with Stripe's values, and the webhook endpoint at Stripe.

May be repeated at any time. The known endpoint (STRIPE_WEBHOOK_ENDPOINT in the secret) is kept, and moved if
the stack has another address; any other with the stack's address is deleted last, since nobody knows its
signing secret. Stripe does not send again what it had still to deliver there, but the reconciler finds it. If
the process dies between two steps, the next run repairs it:

    created at Stripe, not stored      the next run creates another one and deletes this one
    stored, an earlier release's copy  the next run takes the copy out of the callers' secret
      of the values not yet removed
    stored, the old one not deleted    both deliver with known signatures; the next run deletes the old one
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import stripe

from checkout.payments.events import HANDLED
from checkout.payments.stripe_event import API_VERSION
from deployment.aws_system import AwsSystem
from deployment.key_rights import RESTRICTED, lacking
from deployment.stripe_client import stripe_client

PREVIOUS_UNTIL = "STRIPE_WEBHOOK_SECRET_PREVIOUS_UNTIL"
PREVIOUS_LIVES = timedelta(hours=24)
"""The longest time for which Stripe itself accepts a rolled secret."""

KINDS = ("sk_test_", "sk_live_", *RESTRICTED)


class NotConfigured(RuntimeError):
    """The key cannot be used, or Stripe refused; the message says why."""


def configure(
    system: AwsSystem,
    ask: Callable[[str], str],
    say: Callable[[str], None],
    *,
    rotate: bool = False,
    leaked: bool = False,
) -> None:
    """Ask for the key if neither the environment nor the secret has it. No secret is printed.

    `rotate` replaces the endpoint's signing secret; both are accepted until the next run, and for a day at
    most. `leaked` replaces it, and the old one is not accepted any more. A restricted key that may not read
    what it must is refused before anything is changed, unless a leak is to be ended.

    STRIPE_CONFIGURE_KEY, if set, creates the endpoint and is not stored, so the stack's own key needs no
    right to redirect webhooks.
    """
    secrets = system.stripe_secrets
    key = (
        os.environ.get("STRIPE_SECRET") or secrets.get("STRIPE_SECRET") or ask("Stripe's secret key (sk_…): ")
    )
    key = key.strip()
    if not key.startswith(KINDS):
        raise NotConfigured(
            "STRIPE_SECRET is not a secret key of Stripe, which begins with sk_test_, sk_live_ or rk_"
        )
    stored = secrets.get("STRIPE_SECRET")
    if stored and ("_live_" in stored) != ("_live_" in key):
        raise NotConfigured(
            "STRIPE_SECRET is not of the stack's mode: live and test money must not share a stack"
        )
    maker = os.environ.get("STRIPE_CONFIGURE_KEY", "").strip() or key
    if not maker.startswith(KINDS) or ("_live_" in maker) != ("_live_" in key):
        raise NotConfigured("STRIPE_CONFIGURE_KEY must be a secret key of the same mode as STRIPE_SECRET")
    client = stripe_client(maker, system.stripe_api_url).v1.webhook_endpoints
    try:
        if key.startswith(RESTRICTED) and not leaked:
            _require_rights(system, key, say)
        _configure(system, client, key, say, rotate=rotate, leaked=leaked)
    except stripe.StripeError as error:
        raise NotConfigured(f"Stripe refused: {error.user_message or type(error).__name__}") from error


def _require_rights(system: AwsSystem, key: str, say: Callable[[str], None]) -> None:
    if missing := lacking(stripe_client(key, system.stripe_api_url), say):
        raise NotConfigured(
            f"STRIPE_SECRET may not read {', '.join(missing)}: give the restricted key that right in Stripe's"
            " dashboard (docs/stripe.md, The rights of a restricted key)"
        )


def _configure(
    system: AwsSystem, client: Any, key: str, say: Callable[[str], None], *, rotate: bool, leaked: bool
) -> None:
    secrets, url = system.stripe_secrets, system.output("WebhookUrl")
    stored = secrets.get("STRIPE_WEBHOOK_ENDPOINT")
    listed = client.list({"limit": 100}).auto_paging_iter()
    ours = [found for found in listed if found.url == url or found.id == stored]
    known = next((one for one in ours if one.id == stored), None)
    if known is not None and known.api_version != API_VERSION:
        say(f"the endpoint has version {known.api_version} instead of {API_VERSION}: it is replaced")
        known = None
    before, until = secrets.get("STRIPE_WEBHOOK_SECRET", "").split(",")[0].strip(), ""
    # Only Stripe's dashboard can give an endpoint a new secret, so another endpoint is created.
    if known is None or rotate or leaked:
        made = client.create(
            {
                "url": url,
                "enabled_events": sorted(HANDLED),
                "api_version": API_VERSION,
                "description": "Top-ups of balances; made by `make configure`.",
            }
        )
        previous = "" if leaked else before
        accepted = ",".join(filter(None, (made.secret, previous)))
        changed = {"STRIPE_WEBHOOK_ENDPOINT": made.id, "STRIPE_WEBHOOK_SECRET": accepted}
        if previous:
            until = (datetime.now(UTC) + PREVIOUS_LIVES).isoformat(timespec="seconds")
            say(f"the previous secret is accepted until {until} or the next run")
        say(f"endpoint {made.id} created at Stripe for {url}")
    else:
        made = client.update(known.id, {"url": url, "enabled_events": sorted(HANDLED), "disabled": False})
        if known.url != url:
            say(f"endpoint {made.id} is moved from {known.url} to {url}")
        changed = {"STRIPE_WEBHOOK_SECRET": before}
        say(f"endpoint {made.id} exists, with its {len(HANDLED)} types of events")
    if until or secrets.get(PREVIOUS_UNTIL):
        changed[PREVIOUS_UNTIL] = until
    changed["STRIPE_SECRET"] = key
    system.store_stripe_secrets(changed)
    say("the secret has the key and the endpoint's signing secret; functions read it within five minutes")
    replaced = [other for other in ours if other.id != made.id]
    for other in replaced:
        client.delete(other.id)
        say(f"endpoint {other.id} deleted")
    if replaced:
        say(
            "Stripe does not send again what it had still to deliver there. The reconciler's next run finds"
            f" it; at once: .venv/bin/python -m deployment operations {system.name} reconcile"
        )
    say(f"{'live' if '_live_' in key else 'test'} mode; next: make smoke STACK={system.name}")
