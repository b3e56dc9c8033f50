"""Copies the share that the ledger has of a reversal, which stands. A share depends on which reversals came
before, and after a restore of the checkout database they can come in another order.

If the process dies after one of them, the next run copies the others.
"""

from collections.abc import Mapping
from typing import NamedTuple

from checkout.base import telemetry
from checkout.base.postgres import Database
from checkout.ledger import table as ledger
from checkout.outbox.finished_event import CheckoutFinishedEvent
from checkout.payments import reversals_table
from checkout.payments import table as payments_table

ROUNDING = 1
"""The most by which one reversal's share can differ between two orders of the same reversals."""


class Entered(NamedTuple):
    payment_intent_id: str
    credit_cents: int


class EnteredShares:
    def __init__(self, checkout: Database, application: Database) -> None:
        self._checkout = checkout
        self._application = application

    def find(self, events: Mapping[str, CheckoutFinishedEvent]) -> dict[str, Entered]:
        """The reversals that the ledger has with another share, by effect key. Raises DatabaseUnavailable."""
        if not events:
            return {}
        with self._application.transaction() as tx:
            claims = ledger.claims(tx, events)
        found = {}
        for key, (user_id, amount_cents, currency, intent) in claims.items():
            event = events[key]
            effect = event.effect
            if effect is None or event.payment_intent_id is None or amount_cents == effect.amount_cents:
                continue
            is_same = (user_id, currency) == (event.user_id, event.currency)
            is_own = intent in (None, event.payment_intent_id)
            if is_same and is_own and abs(amount_cents - effect.amount_cents) <= ROUNDING:
                found[key] = Entered(event.payment_intent_id, abs(amount_cents))
        return found

    def keep(self, entered: Mapping[str, Entered]) -> None:
        """Copy what the ledger has, each under the lock of its payment. Raises DatabaseUnavailable."""
        for effect_key, one in entered.items():
            with self._checkout.transaction() as tx:
                payments_table.lock_payment_intent(tx, one.payment_intent_id)
                reversals_table.keep_entered(tx, effect_key, one.credit_cents)
            telemetry.logger.warning(
                "the ledger has another share, which stands",
                extra={"effect_key": effect_key, "credit_cents": one.credit_cents},
            )
