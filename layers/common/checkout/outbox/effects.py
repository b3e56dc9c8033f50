"""What moves a balance, and the key under which each movement happens once."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from msgspec import Struct

from checkout.base.user_ids import UserId

TOP_UP = "balance_topup"

Direction = Literal[1, -1]

DIRECTIONS: Mapping[str, Direction] = MappingProxyType(
    {"success": 1, "refund_failed": 1, "dispute_won": 1, "refunded": -1, "disputed": -1}
)
"""Status of a CheckoutFinishedEvent → the sign of its ledger entry."""

TAKINGS = tuple(kind for kind, sign in DIRECTIONS.items() if sign < 0)
"""The kinds that take from a balance."""

WITHOUT_EFFECT = frozenset({"session_created", "failed"})


class Effect(Struct, frozen=True, gc=False):
    """One movement of one user's balance, in signed minor units. Of a credit, `payment_intent_id` is what
    `paid_by` says."""

    effect_key: str
    user_id: UserId
    amount_cents: int
    currency: str
    kind: str
    request_id: str
    source_id: str | None
    payment_intent_id: str | None
    dispute_id: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """What it is found by: its key and its payment intent, if that is known."""
        intent = self.payment_intent_id
        return (self.effect_key,) if intent is None else (self.effect_key, intent)

    @property
    def claim(self) -> tuple[UserId, int, str]:
        """What must be the same whenever the same key comes again."""
        return (self.user_id, self.amount_cents, self.currency)


def effect_of(
    effect_key: str,
    claim: tuple[UserId, int, str],
    *,
    request_id: str | None,
    payment_intent_id: str | None,
    dispute_id: str | None = None,
) -> Effect:
    """The movement that a row records under this key, which says its kind and what it comes from.

    `request_id` is null in reversals that an early release parked, which then belong to no payment.
    """
    kind, _, source_id = effect_key.partition(":")
    user_id, amount_cents, currency = claim
    return Effect(
        effect_key=effect_key,
        user_id=user_id,
        amount_cents=amount_cents,
        currency=currency,
        kind=kind,
        request_id=request_id or "",
        source_id=None if is_credit(effect_key) else source_id,
        payment_intent_id=payment_intent_id,
        dispute_id=dispute_id,
    )


@dataclass(frozen=True, slots=True)
class Recorded:
    """A movement as it is on record: in the ledger, or as a record that was parked."""

    effect_key: str
    claim: tuple[UserId, int, str]
    payment_intent_id: str | None


class Movement(Protocol):
    """A movement of a balance, from whichever table it was read."""

    @property
    def effect_key(self) -> str: ...
    @property
    def payment_intent_id(self) -> str | None: ...


def are_one(one: Movement, other: Movement) -> bool:
    """True if both are the same movement, even with another user, amount or currency.

    A credit belongs to its payment intent, under whatever request_id: after a restore, two payments of one
    request can have each other's. Only if one side does not know its payment intent, the key decides.
    """
    intent, other_intent = one.payment_intent_id, other.payment_intent_id
    if is_credit(one.effect_key) and is_credit(other.effect_key) and intent and other_intent:
        return intent == other_intent
    return one.effect_key == other.effect_key


def paid_by(payment_intent_id: str | None, session_id: str | None, paid_cents: int | None) -> str | None:
    """What a credit belongs to: its payment intent; or the session, if nothing was to pay, since such a
    session has no payment intent."""
    return session_id if payment_intent_id is None and paid_cents == 0 else payment_intent_id


def is_credit(effect_key: str) -> bool:
    return effect_key.startswith(success_key(""))


def success_key(request_id: str) -> str:
    return f"success:{request_id}"


def failed_key(request_id: str) -> str:
    """Moves no balance; it keeps one `failed` event in the outbox."""
    return f"failed:{request_id}"


def answer_key(request_id: str) -> str:
    """Moves no balance; it keeps one answer to a request in the outbox."""
    return f"answered:{request_id}"


def reversal_key(status: str, source_id: str) -> str:
    return f"{status}:{source_id}"
