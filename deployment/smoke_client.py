"""The requests that `smoke` makes as Stripe and as a user, and what it calls a failure."""

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

import requests

from checkout.base.user_ids import UserId
from checkout.payments.stripe_event import API_VERSION
from deployment.system import System
from local import signing
from local.stack import user_token

_HTTP_SECONDS = 30.0
_TOKEN_SECONDS = 60


class SmokeFailed(RuntimeError):
    """The message says what does not work, and where to look."""


class VerbRefused(SmokeFailed):
    """The operations' function works, and refuses what it was asked."""


def result_of(verb: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The result in the answer of the operations' function. Raises VerbRefused."""
    if "error" in answer:
        raise VerbRefused(f"operations {verb} was refused: {answer['error']}")
    found: dict[str, Any] = answer["result"]
    return found


class Client:
    """Each method raises SmokeFailed, also if the answer is another one than expected."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._http = requests.Session()

    def event(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Stripe's event about a completed session."""
        return {
            "id": f"evt_smoke_{uuid.uuid4().hex}",
            "object": "event",
            "type": "checkout.session.completed",
            "api_version": API_VERSION,
            "created": int(time.time()),
            "livemode": self._system.secret("STRIPE_SECRET").startswith(("sk_live_", "rk_live_")),
            "data": {"object": thing},
        }

    def deliver(self, event: dict[str, Any]) -> None:
        """Send it to the webhook as Stripe does."""
        body = json.dumps(event).encode()
        secret = self._system.secret("STRIPE_WEBHOOK_SECRET").split(",")[0].strip()
        signed = {"Stripe-Signature": signing.header(body, secret)}
        self.expect("POST", "/webhooks/stripe", 200, data=body, headers=signed)

    def token(self, user_id: UserId) -> dict[str, str]:
        """The header of a request of this user."""
        config, secret = self._system.config, self._system.secret("JWT_SECRET")
        seconds = min(_TOKEN_SECONDS, config.jwt_max_age_seconds)
        return bearer(user_token.signed(config.environment, secret, user_id, seconds))

    def expect(
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


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
