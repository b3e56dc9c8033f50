"""What Stripe took back, or returned: refunds by their status, disputes by their balance transactions. Pure.

A refund acts by its status alone, whatever was seen of it before, and a dispute by each movement of money: so
two handlers that read different moments of the same object come to the same sum.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkout.domain.effects import reversal_key
from checkout.domain.text import identifier, positive_bigint
from checkout.domain.verdicts import Held

REFUND_EVENTS = frozenset({"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"})
CHARGE_EVENTS = frozenset({"charge.refunded"})
DISPUTE_EVENTS = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    }
)
HANDLED = REFUND_EVENTS | CHARGE_EVENTS | DISPUTE_EVENTS


@dataclass(frozen=True, slots=True)
class Reversal:
    """One movement; `amount_cents` is positive, `kind` says the direction."""

    kind: str
    source_id: str
    amount_cents: int
    currency: str

    @property
    def effect_key(self) -> str:
        return reversal_key(self.kind, self.source_id)


@dataclass(frozen=True, slots=True)
class ReversalReport:
    """What Stripe knows now of refunds or of a dispute of one payment: all movements of each."""

    payment_intent_id: str
    each: tuple[tuple[Reversal, ...], ...]

    @property
    def reversals(self) -> tuple[Reversal, ...]:
        return tuple(reversal for one in self.each for reversal in one)


def of_refund(refund: Mapping[str, Any]) -> tuple[Reversal, ...]:
    """https://docs.stripe.com/refunds#failed-refunds. Raises Held for what makes no sense."""
    match refund.get("status"):
        case "pending" | "requires_action":
            return ()
        case "succeeded":
            kinds: tuple[str, ...] = ("refunded",)
        case "failed" | "canceled":
            kinds = ("refunded", "refund_failed")
        case _:
            raise Held("the refund's status is unknown")
    return tuple(_reversal(kind, refund, refund.get("amount")) for kind in kinds)


def of_dispute(dispute: Mapping[str, Any]) -> tuple[Reversal, ...]:
    """One for each of its balance transactions: the amount that moved, without Stripe's fee."""
    movements = dispute.get("balance_transactions")
    if not isinstance(movements, list):
        raise Held("the dispute has no list of balance transactions")
    reversals = []
    for movement in movements:
        if not isinstance(movement, Mapping) or type(amount := movement.get("amount")) is not int:
            raise Held("a balance transaction of the dispute has no amount")
        if amount != 0:
            reversals.append(_reversal("disputed" if amount < 0 else "dispute_won", movement, abs(amount)))
    return tuple(reversals)


def _reversal(kind: str, source: Mapping[str, Any], amount: object) -> Reversal:
    source_id, amount_cents = identifier(source.get("id")), positive_bigint(amount)
    currency = identifier(source.get("currency"))
    if source_id is None or amount_cents is None or currency is None:
        raise Held("id, amount or currency of the reversal cannot be used")
    return Reversal(kind, source_id, amount_cents, currency.lower())
