"""Proves that a stack works, from outside: over HTTP, and by its operations.

In test mode a made-up payment is credited and taken back. With a live key nothing is credited: only requests
and records that must be refused or ignored are tried.
"""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from checkout.api.page_configuration import page_configuration
from checkout.base.config import Config
from checkout.payments.payment import SMOKE_PAYMENT
from deployment.smoke_client import Client, SmokeFailed, VerbRefused, bearer
from deployment.stripe_client import stripe_client
from deployment.system import System
from local.waiting import until

CREDIT_SECONDS = 120.0
"""Enough for a cold start of each function, a sleeping database, and the relay if the first publish fails."""

_PAUSE_SECONDS = 0.25
_OPERATOR = ("--operator", "smoke")


def run(system: System, say: Callable[[str], None]) -> None:
    """Check everything, and say what works. Raises SmokeFailed at the first problem."""
    smoke = Smoke(system, say)
    smoke.refusals()
    takes_webhooks = smoke.takes_webhooks()
    if takes_webhooks:
        smoke.foreign_event()
    smoke.reconciled()
    for what, problem in system.checks():
        if problem is not None:
            raise SmokeFailed(f"{what}: {problem}")
        say(what)
    smoke.triggers()
    if system.secret("STRIPE_SECRET").startswith(("sk_live_", "rk_live_")):
        say("live mode: nothing was credited")
    elif takes_webhooks and not system.signs_tokens:
        say("no JWT_SECRET: users' tokens are the identity provider's, and no payment was made up")
    elif takes_webhooks:
        smoke.payment()


class Smoke:
    """The checks of one system; each raises SmokeFailed."""

    def __init__(self, system: System, say: Callable[[str], None]) -> None:
        self._system = system
        self._client = Client(system)
        self._user = system.config.user_ids.probe
        self._say = say

    def refusals(self) -> None:
        """Public routes answer, and requests without a valid token are refused."""
        self._client.expect("GET", "/health", 200)
        self._client.expect("GET", "/balance", 200)
        self._client.expect("GET", "/checkout/balance", 401)
        self._client.expect("GET", "/checkout/balance", 401, headers=bearer("x.y.z"))
        self._client.expect("POST", "/checkout/sessions", 401, data=b"{}")
        self._say("the page is served; no token and a wrong one are refused")

    def takes_webhooks(self) -> bool:
        """Return True if webhooks are accepted from this machine."""
        sources = self._system.webhook_sources
        answer = self._client.expect("POST", "/webhooks/stripe", 400, *([403] if sources else []), data=b"{}")
        if answer.status_code == 403:
            self._say(f"webhooks are accepted from {sources} alone, and not from here: no event is delivered")
            return False
        self._say("a webhook without a signature is refused")
        return True

    def foreign_event(self) -> None:
        """A signed event of another application is stored and ignored."""
        event = self._client.event(
            {"id": f"cs_smoke_{uuid.uuid4().hex}", "object": "checkout.session", "metadata": {}}
        )
        self._client.deliver(event)
        found = self._system.operate("held", "show", event["id"])["held"]
        if found["outcome"] != "ignored":
            raise SmokeFailed(f"a foreign event is {found['outcome']} ({found['reason']}) instead of ignored")
        self._say("a signed event of another application is stored and ignored")

    def reconciled(self) -> None:
        """Run the reconciler, whose schedule raises an alarm until its first run."""
        found = self._system.operate("reconcile")
        waits = found["oldest_uncredited_seconds"]
        self._say(f"the reconciler runs; the oldest payment that is not credited waits for {waits} s")

    def triggers(self) -> None:
        """Each topic's consumer commits a record without effect."""
        found = self._system.operate("triggers")["triggers"]
        for one in found:
            if not one["is_past"]:
                raise SmokeFailed(
                    f"{one['topic']} is not read: {one['group']} has not committed offset {one['offset']} of"
                    f" partition {one['partition']}; look at its trigger and at the log of its function"
                )
        self._say(f"a record without effect was read from {' and from '.join(one['topic'] for one in found)}")

    def payment(self) -> None:
        """Create a session, pay it with an event that we sign, wait for the credit, and take it back."""
        if not self._has_user():
            return
        session = self._create_session()
        self._say(f"session {session['session_id']} created at Stripe")
        client = stripe_client(self._system.secret("STRIPE_SECRET"), self._system.stripe_api_url)
        try:
            if (most := self._most_taken_back()) is not None and session["credit_cents"] > most:
                self._say(
                    f"no payment was made up: {session['credit_cents']} would be credited, and smoke may take"
                    f" back {most} (AdjustLimitCents, FourEyesCents)"
                )
                return
            made = client.v1.checkout.sessions.retrieve(session["session_id"]).to_dict()
            self._credited_and_taken_back(session, made)
        finally:
            client.v1.checkout.sessions.expire(session["session_id"])

    def _credited_and_taken_back(self, session: dict[str, Any], made: dict[str, Any]) -> None:
        request_id, before, began = session["request_id"], self._balance(), time.monotonic()
        intent = f"{SMOKE_PAYMENT}{uuid.uuid4().hex}"
        paid = {"status": "complete", "payment_status": "paid", "payment_intent": intent}
        self._client.deliver(self._client.event(made | paid))
        self._say(f"webhook answered in {time.monotonic() - began:.2f} s")
        self._until_credited(request_id)
        self._say(f"credited {time.monotonic() - began:.2f} s after the webhook was sent")
        # Whatever was credited, also if it is wrong: nothing is left to the user.
        credited = self._balance() - before
        if credited > 0:
            self._system.operate(
                *("adjust", "--key", f"smoke:{request_id}", "--user", str(self._user)),
                *(f"--amount-cents={-credited}", "--reason", "smoke test", *_OPERATOR, "--yes"),
            )
        after = self._balance()
        if credited != session["credit_cents"]:
            raise SmokeFailed(
                f"{credited} were credited to user {self._user} instead of {session['credit_cents']}; the"
                f" balance was {before}, and is {after}"
            )
        if after != before:
            raise SmokeFailed(f"the balance of user {self._user} is {after} instead of {before}")
        self._say(f"taken back: the balance is {before} again")

    def _has_user(self) -> bool:
        """Return False, and say why, if there is no user to credit."""
        if (
            self._client.expect(
                "GET", "/checkout/balance", 200, 404, headers=self._client.token(self._user)
            ).status_code
            == 200
        ):
            return True
        try:
            self._system.operate(
                "add-user", "--user", str(self._user), "--email", "smoke@example.com", *_OPERATOR
            )
        except VerbRefused as refused:
            self._say(f"no payment was made up, for lack of the user {self._user}: {refused}")
            return False
        return True

    def _most_taken_back(self) -> int | None:
        """What one operator may take back alone; None if there is no limit."""
        config = self._system.config
        limits = (config.adjust_limit_cents, config.four_eyes_cents)
        return min((one for one in limits if one is not None), default=None)

    def _create_session(self) -> dict[str, Any]:
        body = json.dumps({"amount_cents": _least(self._system.config), "request_id": str(uuid.uuid4())})
        answer = self._client.expect(
            "POST", "/checkout/sessions", 201, data=body.encode(), headers=self._client.token(self._user)
        )
        made: dict[str, Any] = answer.json()
        return made

    def _until_credited(self, request_id: str) -> None:
        path, found = f"/checkout/sessions/{request_id}", dict[str, Any]()

        def is_credited() -> bool:
            found.update(self._client.expect("GET", path, 200, headers=self._client.token(self._user)).json())
            return bool(found["credited"])

        if not until(is_credited, CREDIT_SECONDS, _PAUSE_SECONDS):
            raise SmokeFailed(
                f"{request_id} is {found['status']} and was not credited in {CREDIT_SECONDS:.0f} s:"
                " look at the logs of stripe_webhook, outbox_relay and checkout_finished_consumer;"
                f" what is credited later stays with user {self._user}"
            )

    def _balance(self) -> int:
        answer = self._client.expect("GET", "/checkout/balance", 200, headers=self._client.token(self._user))
        return int(answer.json()["balance_cents"])


def _least(config: Config) -> int:
    """The least amount of a top-up that the settings allow."""
    allowed = page_configuration(config)
    if config.offers_only:
        return min(offer.amount_cents for offer in config.offers)
    return int(allowed["min_amount_cents"])
