"""Refund a payment through Stripe, once for each key: remember what the key stands for, ask Stripe, apply the
answer.

If the process dies
- before the key is remembered: nothing happened;
- after it, before Stripe has the request: the same key asks Stripe again, for the same amount;
- after Stripe has refunded: the webhook, or else the reconciler, applies the refund; and the same key finds
  it by its metadata, or for 24 hours by Stripe's idempotency key.

If two ask at once with the same key, Stripe makes one refund and gives it to both. With different keys Stripe
makes both as long as the payment has so much left, and refuses the second otherwise.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checkout.base import telemetry
from checkout.base.errors import (
    DatabaseUnavailable,
    NotFound,
    Refused,
    StripeError,
    StripeKeyTaken,
    StripeObjectMissing,
    StripeOutcomeUnknown,
    StripeRefused,
    StripeRefusedForGood,
)
from checkout.base.postgres import Database
from checkout.base.text import request_identifier
from checkout.payments import key_in_use, refunds_table, table
from checkout.payments.events import Reread, StripeEvents
from checkout.payments.payment import Payment
from checkout.payments.refunds_table import RequestedRefund
from checkout.payments.reversal_event import GIVEN_BACK

if TYPE_CHECKING:
    from checkout.payments.stripe_api import StripeApi

REFUND_KEY = "refund_key"
"""In the metadata of a refund that was made here."""

NOT_REFUNDED = "Not refunded."
"""How the sentence begins that the journal keeps of a refund which Stripe has refused."""

_NOT_APPLIED = "its webhook or the reconciler applies it"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a key is about to refund. `refund` is Stripe's, if the key has one already; `left_cents` is what
    Stripe has of the payment and of no refund, in minor units like `amount_cents`."""

    payment: Payment
    payment_intent_id: str
    amount_cents: int
    left_cents: int
    refund: Resource | None


@dataclass(frozen=True, slots=True)
class Refunded:
    """`is_new` is False if the key's refund was there before."""

    refund: Resource
    payment: Payment
    is_new: bool
    applied: Reread


class Refunds:
    def __init__(self, checkout: Database, stripe: "StripeApi", events: StripeEvents, app_id: str) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._events = events
        self._app_id = app_id

    def wanted(self, reference: str, refund_key: str, amount_cents: int | None) -> Wanted:
        """What `make` would refund. `reference` is a request_id or a payment intent; without an amount it is
        what the key stands for already, or else what is left.

        Raises NotFound for an unknown payment; Refused if it was not paid, has not so much left, or the key
        stands for something else; DatabaseUnavailable or StripeError.
        """
        with self._checkout.autocommit() as tx:
            request_id = request_identifier(reference) or ""
            payment = table.find(tx, request_id) or table.find_payment(tx, reference)
            requested = refunds_table.find(tx, refund_key)
        if payment is None:
            raise NotFound(f"There is no payment {reference}: give a request_id or a payment intent.")
        telemetry.correlate(payment.request_id)
        intent = payment.payment_intent_id
        if not payment.paid_cents or intent is None:
            raise Refused(f"Nothing was paid for {payment.request_id}, so there is nothing to refund.")
        _require_same(refund_key, requested, intent, amount_cents)
        try:
            refunds = self._stripe.refunds_of(intent)
        except StripeObjectMissing as error:
            raise NotFound(f"Stripe knows no payment {intent}.") from error
        left = payment.paid_cents - sum(one["amount"] for one in refunds if one["status"] not in GIVEN_BACK)
        made = next((one for one in refunds if _key_of(one) == refund_key), None)
        if made is not None:
            _require_same(refund_key, _requested(made, intent), intent, amount_cents)
            return Wanted(payment, intent, made["amount"], left, made)
        amount = amount_cents or (requested.amount_cents if requested is not None else left)
        if left <= 0 or amount > left:
            raise Refused(f"{max(left, 0)} of {payment.paid_cents} are left to refund, so not {amount}.")
        return Wanted(payment, intent, amount, left, None)

    def make(self, reference: str, refund_key: str, amount_cents: int | None) -> Refunded:
        """Refund it, unless the key has its refund already, and apply that as Stripe has it.

        Raises as `wanted`; Refused also if Stripe refuses it; StripeError if the same key may be tried again.
        """
        wanted = self.wanted(reference, refund_key, amount_cents)
        refund = wanted.refund
        if refund is None:
            self._remember(refund_key, wanted)
            refund = self._created(refund_key, wanted)
        telemetry.logger.warning(
            "refunded" if wanted.refund is None else "refunded before",
            extra={REFUND_KEY: refund_key, "refund_id": refund["id"], "amount_cents": refund["amount"]},
        )
        return Refunded(refund, wanted.payment, wanted.refund is None, self._applied(refund))

    def _remember(self, refund_key: str, wanted: Wanted) -> None:
        currency = wanted.payment.paid_currency or wanted.payment.currency
        requested = RequestedRefund(wanted.payment_intent_id, wanted.amount_cents, currency)
        with self._checkout.autocommit() as tx:
            kept = refunds_table.keep(tx, refund_key, requested)
        # Somebody else may have kept it since it was read, for what was left then.
        _require_same(refund_key, kept, wanted.payment_intent_id, wanted.amount_cents)

    def _created(self, refund_key: str, wanted: Wanted) -> Resource:
        # The same each time: Stripe compares them with what the idempotency key came with first. No reason:
        # `fraudulent` would put card and email on the account's block list.
        parameters = {
            "payment_intent": wanted.payment_intent_id,
            "amount": wanted.amount_cents,
            "metadata": {REFUND_KEY: refund_key},
        }
        idempotency_key = f"refund:{self._app_id}:{refund_key}"
        try:
            return key_in_use.wait_out(lambda: self._stripe.create_refund(parameters, idempotency_key))
        except StripeOutcomeUnknown as error:
            raise StripeOutcomeUnknown("Stripe did not answer; repeat it with the same key.") from error
        except StripeKeyTaken as error:
            raise Refused(f"Stripe knows the key {refund_key} of another refund: use another.") from error
        except StripeObjectMissing as error:
            raise NotFound(f"Stripe knows no payment {wanted.payment_intent_id}.") from error
        except StripeRefusedForGood as error:
            raise Refused(f"{NOT_REFUNDED} {error.detail} {_advice(error)}") from error
        except StripeRefused as error:
            raise StripeRefused(
                f"{error.detail} Stripe repeats this answer to the same key for 24 hours. If the"
                " payment has no refund at Stripe then, use another."
            ) from error

    def _applied(self, refund: Resource) -> Reread:
        """What was refunded is refunded, whether it can be applied at once or not."""
        try:
            return self._events.apply_refund(refund)
        except (DatabaseUnavailable, StripeError) as error:
            return Reread("waiting", f"{error.detail} {_NOT_APPLIED}", {})


def _advice(refusal: StripeRefusedForGood) -> str:
    if getattr(refusal.__cause__, "code", None) == "charge_disputed":
        return "The dispute takes the money. After a dispute that was won, use another key."
    return "A new attempt needs another key."


def _key_of(refund: Resource) -> str | None:
    metadata = refund.get("metadata")
    return metadata.get(REFUND_KEY) if isinstance(metadata, dict) else None


def _requested(refund: Resource, payment_intent_id: str) -> RequestedRefund:
    return RequestedRefund(payment_intent_id, refund["amount"], refund["currency"])


def _require_same(
    refund_key: str, known: RequestedRefund | None, payment_intent_id: str, amount_cents: int | None
) -> None:
    if known is None:
        return
    if known.payment_intent_id != payment_intent_id or amount_cents not in (None, known.amount_cents):
        raise Refused(
            f"The key {refund_key} stands for a refund of {known.amount_cents} {known.currency} of"
            f" {known.payment_intent_id}: use another key."
        )
