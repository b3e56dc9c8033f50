"""Proves that a stack works, from outside: over HTTP, and by its operations.

In test mode a made-up payment is credited and taken back. With a live key nothing is credited: only requests
and records that must be refused or ignored are tried.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import requests

from checkout.payments.payment import SMOKE_PAYMENT
from checkout.payments.stripe_event import API_VERSION
from deployment.stripe_client import stripe_client
from deployment.system import System
from local import signing
from local.waiting import until

AMOUNT_CENTS = 500
CREDIT_SECONDS = 120.0
"""Enough for a cold start of each function, a sleeping database, and the relay if the first publish fails."""

_HTTP_SECONDS = 30.0
_PAUSE_SECONDS = 0.25
_TOKEN_SECONDS = 300
_OPERATOR = ("--operator", "smoke")


class SmokeFailed(RuntimeError):
    """The message says what does not work, and where to look."""


def result_of(verb: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The result in the answer of the operations' function. Raises SmokeFailed if it refused."""
    if "error" in answer:
        raise SmokeFailed(f"operations {verb} was refused: {answer['error']}")
    found: dict[str, Any] = answer["result"]
    return found


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
        self._user = str(system.user_ids.probe)
        self._say = say
        self._http = requests.Session()

    def refusals(self) -> None:
        """Public routes answer, and requests without a valid token are refused."""
        self._expect("GET", "/health", 200)
        self._expect("GET", "/balance", 200)
        self._expect("GET", "/checkout/balance", 401)
        self._expect("GET", "/checkout/balance", 401, headers=_bearer("x.y.z"))
        self._expect("POST", "/checkout/sessions", 401, data=b"{}")
        self._say("the page is served; no token and a wrong one are refused")

    def takes_webhooks(self) -> bool:
        """Return True if webhooks are accepted from this machine."""
        sources = self._system.webhook_sources
        answer = self._expect("POST", "/webhooks/stripe", 400, *([403] if sources else []), data=b"{}")
        if answer.status_code == 403:
            self._say(f"webhooks are accepted from {sources} alone, and not from here: no event is delivered")
            return False
        self._say("a webhook without a signature is refused")
        return True

    def foreign_event(self) -> None:
        """A signed event of another application is stored and ignored."""
        event = self._event(
            {"id": f"cs_smoke_{uuid.uuid4().hex}", "object": "checkout.session", "metadata": {}}
        )
        self._deliver(event)
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
        self._system.operate("add-user", "--user", self._user, "--email", "smoke@example.com", *_OPERATOR)
        before = self._balance()
        session = self._create_session()
        request_id = session["request_id"]
        self._say(f"session {session['session_id']} created at Stripe")
        client = stripe_client(self._system.secret("STRIPE_SECRET"), self._system.stripe_api_url)
        try:
            made = client.v1.checkout.sessions.retrieve(session["session_id"]).to_dict()
            paid = {
                "status": "complete",
                "payment_status": "paid",
                "payment_intent": f"{SMOKE_PAYMENT}{uuid.uuid4().hex}",
            }
            began = time.monotonic()
            self._deliver(self._event(made | paid))
            self._say(f"webhook answered in {time.monotonic() - began:.2f} s")
            self._until_credited(request_id)
            self._say(f"credited {time.monotonic() - began:.2f} s after the webhook was sent")
            self._expect_balance(before + AMOUNT_CENTS)
        finally:
            client.v1.checkout.sessions.expire(session["session_id"])
        self._system.operate(
            *("adjust", "--key", f"smoke:{request_id}", "--user", self._user),
            *(f"--amount-cents={-AMOUNT_CENTS}", "--reason", "smoke test", *_OPERATOR, "--yes"),
        )
        self._expect_balance(before)
        self._say(f"taken back: the balance is {before} again, and the session expired")

    def _create_session(self) -> dict[str, Any]:
        body = json.dumps({"amount_cents": AMOUNT_CENTS, "request_id": str(uuid.uuid4())}).encode()
        answer = self._expect("POST", "/checkout/sessions", 201, data=body, headers=self._token())
        made: dict[str, Any] = answer.json()
        return made

    def _until_credited(self, request_id: str) -> None:
        path, found = f"/checkout/sessions/{request_id}", dict[str, Any]()

        def is_credited() -> bool:
            found.update(self._expect("GET", path, 200, headers=self._token()).json())
            return bool(found["credited"])

        if not until(is_credited, CREDIT_SECONDS, _PAUSE_SECONDS):
            raise SmokeFailed(
                f"{request_id} is {found['status']} and was not credited in {CREDIT_SECONDS:.0f} s:"
                " look at the logs of stripe_webhook, outbox_relay and checkout_finished_consumer"
            )

    def _balance(self) -> int:
        answer = self._expect("GET", "/checkout/balance", 200, headers=self._token())
        return int(answer.json()["balance_cents"])

    def _expect_balance(self, cents: int) -> None:
        if (found := self._balance()) != cents:
            raise SmokeFailed(f"the balance of user {self._user} is {found} instead of {cents}")

    def _event(self, thing: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": f"evt_smoke_{uuid.uuid4().hex}",
            "object": "event",
            "type": "checkout.session.completed",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "livemode": self._system.secret("STRIPE_SECRET").startswith(("sk_live_", "rk_live_")),
            "data": {"object": thing},
        }

    def _deliver(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        secret = self._system.secret("STRIPE_WEBHOOK_SECRET").split(",")[0].strip()
        signed = {"Stripe-Signature": signing.header(body, secret)}
        self._expect("POST", "/webhooks/stripe", 200, data=body, headers=signed)

    def _token(self) -> dict[str, str]:
        now = int(time.time())
        claims = {**self._system.claims, "sub": self._user, "iat": now, "exp": now + _TOKEN_SECONDS}
        return _bearer(jwt.encode(claims, self._system.secret("JWT_SECRET"), "HS256"))

    def _expect(
        self,
        method: str,
        path: str,
        *statuses: int,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        sent = {**({"Content-Type": "application/json"} if data else {}), **(headers or {})}
        try:
            answer = self._http.request(
                method, self._system.api_url + path, data=data, headers=sent, timeout=_HTTP_SECONDS
            )
        except requests.RequestException as error:
            raise SmokeFailed(f"{method} {path}: {error}") from error
        if answer.status_code not in statuses:
            wanted = " or ".join(map(str, statuses))
            raise SmokeFailed(
                f"{method} {path} was answered {answer.status_code} instead of {wanted}: {answer.text[:500]}"
            )
        return answer


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
