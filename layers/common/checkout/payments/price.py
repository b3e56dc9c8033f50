"""What a session costs, and what moves the balance once it is paid. Pure; all in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checkout.base.text import bigint_from_zero, positive_bigint, positive_bigint_from_digits
from checkout.payments.outcomes import Parked


@dataclass(frozen=True, slots=True)
class Price:
    """`amount_cents` is what a session was asked for, before tax and discount; `credit_cents` what that
    credits."""

    amount_cents: int
    credit_cents: int

    def credit_for(self, subtotal_cents: int) -> int | None:
        """What is credited if the session came to this subtotal: in proportion, rounded down. None if that is
        nothing, or beyond BIGINT."""
        return positive_bigint(self.credit_cents * subtotal_cents // self.amount_cents)

    @property
    def metadata(self) -> dict[str, str]:
        """With session and payment intent, so what was promised stays known whatever is set later."""
        return {"amount_cents": str(self.amount_cents), "credit_cents": str(self.credit_cents)}


@dataclass(frozen=True, slots=True)
class Totals:
    """What a session came to. `total_cents` is what is paid: the subtotal less the discount, with the tax if
    that is not in the subtotal already."""

    subtotal_cents: int
    discount_cents: int
    tax_cents: int
    total_cents: int

    @property
    def is_free(self) -> bool:
        return self.total_cents == 0 and self.discount_cents == self.subtotal_cents

    @property
    def add_up(self) -> bool:
        """True if discount and tax explain the total."""
        return self.total_cents - self.subtotal_cents + self.discount_cents in (0, self.tax_cents)


def promised(metadata: Mapping[str, Any], subtotal_cents: int) -> Price | None:
    """What the metadata of a session says; the subtotal twice if they are from a release that did not write
    that. None if it makes no sense."""
    written = [metadata.get("amount_cents"), metadata.get("credit_cents")]
    if written == [None, None]:
        return Price(subtotal_cents, subtotal_cents)
    amount_cents, credit_cents = map(positive_bigint_from_digits, written)
    if amount_cents is None or credit_cents is None:
        return None
    return Price(amount_cents, credit_cents)


def totals(session: Mapping[str, Any]) -> Totals | Parked:
    """Of a session as Stripe describes it. Parked if it makes no sense.

    Without a subtotal it is from an event of which an earlier release has erased all but the total.
    """
    total_cents = bigint_from_zero(session.get("amount_total"))
    if total_cents is None:
        return Parked("amount_total is not an integer from 0 to 2^63-1")
    subtotal = session.get("amount_subtotal")
    details = session.get("total_details")
    if details is None:
        details = {}
    if not isinstance(details, Mapping):
        return Parked("total_details is not an object")
    subtotal_cents = total_cents if subtotal is None else positive_bigint(subtotal)
    discount_cents = bigint_from_zero(details.get("amount_discount", 0))
    tax_cents = bigint_from_zero(details.get("amount_tax", 0))
    if not subtotal_cents:
        return Parked(
            f"{'amount_total' if subtotal is None else 'amount_subtotal'} is not a positive integer"
        )
    if discount_cents is None or tax_cents is None:
        return Parked("amount_discount or amount_tax is not an integer from 0 to 2^63-1")
    return Totals(subtotal_cents, discount_cents, tax_cents, total_cents)
