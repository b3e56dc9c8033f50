"""Webhooks: the simulator's events, changed, written and signed in many ways."""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from checkout.payments.events import HANDLED
from local import signing
from tests.fuzz.raw_http import Request
from tests.fuzz.routes import request_id
from tests.fuzz.values import changed, odd, written

STORED = frozenset({200, 400})
REFUSED = frozenset({400})
LIKELY = (
    *("id", "object", "type", "created", "livemode", "api_version", "account", "context", "data", "metadata"),
    *(
        "checkout_app",
        "request_id",
        "user_id",
        "purpose",
        "amount_total",
        "amount",
        "currency",
        "payment_intent",
    ),
    *("payment_status", "status", "mode", "url", "charge", "balance_transactions", "refunds", "reason"),
    *("amount_subtotal", "amount_refunded", "failure_reason", "balance_transaction", "net", "fee"),
)
TYPES = (
    *sorted(HANDLED),
    *("payment_intent.succeeded", "v2.core.event_destination.ping", "checkout.session", ""),
)


@dataclass(frozen=True)
class Webhooks:
    """`events` belong to the users `user_ids`, whose balances are not compared."""

    secret: str
    events: Sequence[dict[str, Any]]
    user_ids: tuple[int, ...]

    def make(self, random: Random) -> Request:
        event = self._event(random)
        body = written(random, event, spoil=0.15)
        is_signed = random.random() < 0.9
        header = signing.header(body, self.secret) if is_signed else self._forged(random, body)
        headers = [
            ("content-type", random.choice((b"application/json", b"application/json; charset=utf-8", b"")))
        ]
        if header is not None:
            headers.append(("stripe-signature", header.encode("latin-1", "replace")))
        return Request("POST", "/webhooks/stripe", tuple(headers), body, STORED if is_signed else REFUSED)

    def _event(self, random: Random) -> Any:
        event = copy.deepcopy(random.choice(self.events))
        event["id"] = f"evt_fuzz_{random.getrandbits(64):x}"
        if random.random() < 0.3:
            self._rename(random, event["data"]["object"])
        if random.random() < 0.2:
            event["type"] = random.choice(TYPES)
        if random.random() < 0.01:
            return odd(random)
        times = random.choice((0, 1, 1, 2, 3, 5))
        if random.random() < 0.25:
            return changed(random, event, LIKELY, times)
        event["data"]["object"] = changed(random, event["data"]["object"], LIKELY, times)
        return event

    def _rename(self, random: Random, resource: dict[str, Any]) -> None:
        """The event with the ids of an unknown payment."""
        resource["id"] = f"{resource['id'][:8]}{random.getrandbits(64):x}"
        if resource.get("payment_intent"):
            resource["payment_intent"] = f"pi_fuzz_{random.getrandbits(64):x}"
        if metadata := resource.get("metadata"):
            metadata["request_id"] = request_id(random)
            metadata["user_id"] = str(random.choice((*self.user_ids, 404)))

    def _forged(self, random: Random, body: bytes) -> str | None:
        now = int(time.time())
        valid = signing.header(body, self.secret)
        return random.choice(
            (
                *(
                    None,
                    "",
                    "t=,v1=",
                    "v1=" + "0" * 64,
                    f"t={now}",
                    f"t={now},v1=",
                    valid.replace("v1=", "v0="),
                ),
                *(
                    f"t={'9' * 400},v1={'0' * 64}",
                    f"t=-1,v1={'0' * 64}",
                    f"t=nan,v1={'0' * 64}",
                    "\xff\xfe",
                    "," * 99,
                ),
                signing.header(body, "whsec_of_somebody_else"),
                signing.header(body, self.secret, now - 3600),
                signing.header(body, self.secret, now + 3600),
                signing.header(body + b" ", self.secret),
                f"t={now},v1={'é' * 64}",
            )
        )
