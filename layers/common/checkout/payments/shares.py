"""The share of a credit that goes with the money which Stripe takes back or returns. Pure.

If Stripe has taken R back of a payment and not returned it, `share` of the credit has been taken back. Each
movement moves the difference to what was moved before, so the sum depends on R alone, in every order: full
refunds take exactly the credit, and failed ones nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from checkout.base.errors import InvariantBroken
from checkout.outbox.effects import DIRECTIONS
from checkout.payments.payment import Payment
from checkout.payments.reversals_table import StoredReversal


def share(credit_cents: int, reversed_cents: int, paid_cents: int) -> int:
    """round(credit × reversed / paid), half up."""
    return (2 * credit_cents * reversed_cents + paid_cents) // (2 * paid_cents)


def credit_differs(payment: Payment | Mapping[str, Any]) -> bool:
    """True if the credit is another amount than the money, so what a reversal takes depends on those before
    it. Until a payment is paid, its price decides. `payment` is our row or Stripe's payment intent."""
    if not isinstance(payment, Payment):
        credit_cents = payment["metadata"].get("credit_cents")
        return credit_cents is not None and credit_cents != str(payment.get("amount"))
    if payment.paid_cents is None:
        return payment.price.credit_cents != payment.amount_cents
    return payment.credited_cents != payment.paid_cents


def taken_by(payment: Payment, money_cents: int) -> int:
    """How much balance a further reversal of `money_cents` takes from a succeeded payment."""
    before = payment.refunded_cents + payment.disputed_cents
    return _share_of(payment, before + money_cents) - _share_of(payment, before)


def with_shares(
    payment: Payment, emitted: Iterable[StoredReversal], emitting: Iterable[StoredReversal]
) -> list[StoredReversal]:
    """`emitting`, each with the `credit_cents` that it moves, which may be 0. `emitted` are the reversals of
    the payment that were emitted before; what they moved stands."""
    money = credit = 0
    for one in emitted:
        money += DIRECTIONS[one.reversal.kind] * one.reversal.amount_cents
        credit += DIRECTIONS[one.reversal.kind] * one.moved_cents
    shared = []
    for one in emitting:
        direction = DIRECTIONS[one.reversal.kind]
        money += direction * one.reversal.amount_cents
        # Not below 0: what the ledger had before a restore can be more than the share.
        moved = max(0, direction * (-_share_of(payment, -money) - credit))
        credit += direction * moved
        shared.append(replace(one, credit_cents=moved))
    return shared


def _share_of(payment: Payment, reversed_cents: int) -> int:
    if not payment.paid_cents:
        raise InvariantBroken(f"payment {payment.request_id} has reversals, and nothing was paid")
    return share(payment.credited_cents, reversed_cents, payment.paid_cents)
