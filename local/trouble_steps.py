"""What the cases of `local.trouble` do to a running stack. Each step may be repeated."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2
import requests

from checkout.base.text import printable
from checkout.base.user_ids import UserId
from checkout.outbox.effects import success_key
from local import amounts, demo, http_client, signing
from local.stack.description import Description

OPERATOR = "trouble"


class TroubleError(RuntimeError):
    """The case cannot be prepared here; the message says why."""


@dataclass(frozen=True)
class Payment:
    """The payment of a case; `url` is the page where it is paid."""

    request_id: str
    session_id: str
    url: str
    user_id: UserId

    @property
    def effect_key(self) -> str:
        """Of its credit."""
        return success_key(self.request_id)


class Trouble:
    """What the cases do to a stack."""

    def __init__(self, stack: Description) -> None:
        if "stripe.com" in stack.stripe_api_url:
            raise TroubleError("the cases need the Stripe simulator: leave STRIPE_SECRET out")
        self._stack = stack

    def begin(self, user_id: UserId | None = None) -> Payment:
        """Ask for a session, as a service does; of the demo user unless another one is given."""
        user_id = self._stack.demo_user_id if user_id is None else user_id
        request_id = str(uuid.uuid4())
        amount_cents = amounts.chosen(_sent("GET", self._stack.api_url + amounts.PATH))
        body = {"request_id": request_id, "amount_cents": amount_cents, "user_id": user_id}
        headers = {"x-service-token": self._stack.service_token}
        made = _sent("POST", f"{self._stack.api_url}/checkout/sessions", headers=headers, json=body)
        return Payment(request_id, made["session_id"], made["url"], user_id)

    def pay(self, payment: Payment) -> None:
        """Return once our webhook has answered, or Stripe's page no longer waits for it."""
        if self.stripe("GET", f"/v1/checkout/sessions/{payment.session_id}")["payment_status"] != "paid":
            demo.pay(payment.url)

    def pay_unreported(self, payment: Payment) -> None:
        """Pay, and have Stripe's report lost."""
        self.switch("Webhooks", "drop", "drop")
        self.pay(payment)
        self.switch("Webhooks", "normal", "normal")

    def switch(self, name: str, act: str, state: str) -> bool:
        """Have the console's switchboard `act`, unless the part is in that state: False then. Raises
        TroubleError."""
        switches = self._console("/switchboard", {})["switches"]
        # A cluster's brokers are numbered.
        found = [one for one in switches if one["name"] == name or one["name"].startswith(f"{name} ")]
        if not found:
            raise TroubleError(f"this stack has not started its own {name}, so it cannot be broken here")
        others = [one["name"] for one in found if one["state"] != state]
        for other in others:
            self._console("/switchboard", {"switch": other, "act": act})
        return bool(others)

    def operate(self, *words: str) -> None:
        """Run a verb of the operations. Raises TroubleError."""
        answer = self._console("/operations", {"words": [*words, f"--operator={OPERATOR}", "--yes"]})
        if "error" in answer:
            raise TroubleError(f"{words[0]} was refused: {printable(answer['error'])}")

    def stripe(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self._stack.stripe_secret}", **request.pop("headers", {})}
        return _sent(method, self._stack.stripe_api_url + path, headers=headers, **request)

    def deliver(self, event: Mapping[str, Any]) -> None:
        """Send an event to our webhook as Stripe does."""
        body = json.dumps(event).encode()
        signature = signing.header(body, self._stack.stripe_webhook_secret)
        headers = {"stripe-signature": signature, "content-type": "application/json"}
        _sent("POST", f"{self._stack.api_url}/webhooks/stripe", headers=headers, data=body)

    def is_in_checkout(self, sql: str, *parameters: object) -> bool:
        """True if the query has a row. Raises TroubleError if the database is away."""
        return _has_row(self._stack.checkout_database_url, sql, parameters)

    def is_in_application(self, sql: str, *parameters: object) -> bool:
        return _has_row(self._stack.database_url, sql, parameters)

    def delete_user(self, user_id: UserId) -> None:
        """Delete the user, if there is one. Raises TroubleError if the database is away."""
        _executed(self._stack.database_url, "DELETE FROM users WHERE id = %s", (user_id,))

    def is_credited(self, payment: Payment) -> bool:
        """False also if nobody knows, since the database is away."""
        try:
            return self.is_in_application(
                "SELECT FROM ledger_entries WHERE effect_key = %s", payment.effect_key
            )
        except TroubleError:
            return False

    def _console(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        origin, _, token = self._stack.console_url.partition("/#token=")
        return _sent("POST", origin + path, headers={"authorization": f"Bearer {token}"}, json=body)


def _has_row(url: str, sql: str, parameters: tuple[object, ...]) -> bool:
    return _executed(url, sql, parameters) > 0


def _executed(url: str, sql: str, parameters: tuple[object, ...]) -> int:
    """How many rows were found or changed."""
    try:
        connection = psycopg2.connect(url)
    except psycopg2.OperationalError as error:
        raise TroubleError("the database is away: mend that first") from error
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.rowcount
    finally:
        connection.close()


def _sent(method: str, url: str, **request: Any) -> dict[str, Any]:
    try:
        answer = http_client.send(method, url, **request)
    except requests.RequestException as error:
        raise TroubleError(f"{url} does not answer: mend what is away first") from error
    if not answer.ok:
        raise TroubleError(f"{url} answered {answer.status_code}: {printable(answer.text)}")
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found
