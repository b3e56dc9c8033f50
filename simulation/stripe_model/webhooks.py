"""Stripe's deliveries: each event until a 2xx, at any time, in any order; some never, some again."""

import hashlib
import hmac
import json
from dataclasses import dataclass

from simulation.clock import Clock
from simulation.stripe_model.account import Account, Resource

SECRET, PREVIOUS = "whsec_of_the_world_0123456789", "whsec_of_the_world_before_rotation"
GIVES_UP_AFTER = 3 * 24 * 3600


@dataclass(slots=True)
class Delivery:
    event: Resource
    is_answered: bool = False
    attempts: int = 0

    @property
    def name(self) -> str:
        return str(self.event["id"])


class Webhooks:
    def __init__(self, account: Account, clock: Clock) -> None:
        self._account, self._clock = account, clock
        self._seen = 0
        self.deliveries: list[Delivery] = []

    def due(self) -> list[Delivery]:
        """What was not answered with 2xx. Stripe gives up after three days."""
        new = self._account.events[self._seen :]
        self._seen += len(new)
        self.deliveries += [Delivery(event) for event in new]
        return [
            one
            for one in self.deliveries
            if not one.is_answered and one.event["created"] > self._clock.epoch - GIVES_UP_AFTER
        ]

    def signed(
        self, delivery: Delivery, *, rotated: bool = False, context: str | None = None
    ) -> tuple[bytes, str]:
        """The body, and Stripe-Signature; by the secret of before if it is being `rotated`. An organisation
        names the account as its `context`."""
        body = json.dumps(delivery.event | ({"context": context} if context else {})).encode()
        moment = int(self._clock.epoch)
        digest = hmac.new(
            (PREVIOUS if rotated else SECRET).encode(), f"{moment}.".encode() + body, hashlib.sha256
        ).hexdigest()
        return body, f"t={moment},v1={digest}"
