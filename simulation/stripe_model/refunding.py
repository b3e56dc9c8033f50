"""What Stripe answers who refunds through its API: `client.v1.refunds.create(…)`.

An idempotency key replays its first answer for a day, a refusal or an error too.
"""

import json
from collections.abc import Callable, Mapping

from simulation.clock import Clock
from simulation.stripe_model.account import Account, Resource
from simulation.stripe_model.keys import KEYS_LIVE

Answered = Resource | str
"""The refund, or the code of the error."""

FAILED = "api_error"
MISSING = "resource_missing"
TAKEN = "idempotency_error"
REFUNDED, DISPUTED, TOO_MUCH = "charge_already_refunded", "charge_disputed", "more than is left"
ERRORS = {FAILED: ("APIError", 500), TAKEN: ("IdempotencyError", 400)}
"""The SDK's name and HTTP's status of those that are no refusal."""


class Refunding:
    def __init__(self, account: Account, clock: Clock, *, is_slow: Callable[[], bool]) -> None:
        """`is_slow` says of a refund whether it is pending first."""
        self._account, self._clock, self._is_slow = account, clock, is_slow
        self._known: dict[str, tuple[str, Answered, float]] = {}
        """By idempotency key what was asked, and answered, and when."""
        self.made: list[str] = []
        """Ids of the refunds."""
        self.refused: set[str] = set()
        """Idempotency keys of which Stripe repeats that it has not refunded, or has failed."""

    def create(
        self, parameters: Resource, options: Mapping[str, str], *, before: bool, after: bool
    ) -> Answered:
        """With `before` Stripe fails without effect, and with `after` once it has refunded."""
        key, asked = options["idempotency_key"], json.dumps(parameters, sort_keys=True)
        known = self._known.get(key)
        if known is None or known[2] + KEYS_LIVE < self._clock.epoch:
            answer = FAILED if before else self._made(parameters)
            known = (asked, FAILED if after else answer, self._clock.epoch)
            self._known[key] = known
            if isinstance(known[1], str):
                self.refused.add(key)
        return known[1] if known[0] == asked else TAKEN

    def _made(self, asked: Resource) -> Answered:
        intent, amount = asked["payment_intent"], int(asked["amount"])
        [*charges] = self._account.all("charge", payment_intent=intent)
        if not charges:
            return MISSING
        if self._account.all("dispute", payment_intent=intent):
            return DISPUTED
        left = self._account.left_to_refund(charges[-1])
        if amount > left:
            return TOO_MUCH if left else REFUNDED
        status = "pending" if self._is_slow() else "succeeded"
        made = self._account.refund(charges[-1]["id"], amount, status, **asked["metadata"])
        self.made.append(made["id"])
        return made
