"""Stripe's test cards (https://docs.stripe.com/testing): the number decides what happens."""

from dataclasses import dataclass
from enum import Enum


class RefundCourse(Enum):
    """The course of a refund: its status at once, and possibly another one seconds later."""

    SUCCEEDS = "succeeds"
    PENDING_THEN_SUCCEEDS = "pending_then_succeeds"
    SUCCEEDS_THEN_FAILS = "succeeds_then_fails"


class Disputed(Enum):
    """How the customer's bank disputes the payment once it has succeeded."""

    FRAUDULENT = "fraudulent"
    NOT_RECEIVED = "product_not_received"
    INQUIRY = "inquiry"


@dataclass(frozen=True)
class Decline:
    code: str
    message: str
    decline_code: str | None = None


@dataclass(frozen=True)
class Card:
    number: str
    brand: str = "visa"
    decline: Decline | None = None
    refunds: RefundCourse = RefundCourse.SUCCEEDS
    disputed: Disputed | None = None
    is_suspected: bool = False
    """True if an early fraud warning follows."""

    @property
    def last4(self) -> str:
        return self.number[-4:]


class CardNumberRefused(ValueError):
    """The number is not a test card's; the message is for the customer."""


_DECLINED = "Your card has been declined."
_CARDS = (
    Card("4242424242424242"),
    Card("4000056655665556"),
    Card("5555555555554444", "mastercard"),
    Card("378282246310005", "amex"),
    Card("4000000000000002", decline=Decline("card_declined", _DECLINED, "generic_decline")),
    Card(
        "4000000000009995",
        decline=Decline("card_declined", "Your card has insufficient funds.", "insufficient_funds"),
    ),
    Card("4000000000009987", decline=Decline("card_declined", _DECLINED, "lost_card")),
    Card("4000000000009979", decline=Decline("card_declined", _DECLINED, "stolen_card")),
    Card("4000000000000069", decline=Decline("expired_card", "Your card has expired.")),
    Card("4000000000000127", decline=Decline("incorrect_cvc", "Your card's security code is incorrect.")),
    Card(
        "4000000000000119",
        decline=Decline(
            "processing_error", "An error occurred while processing your card. Try again in a little bit."
        ),
    ),
    Card("4000000000000259", disputed=Disputed.FRAUDULENT),
    Card("4000000000002685", disputed=Disputed.NOT_RECEIVED),
    Card("4000000000001976", disputed=Disputed.INQUIRY),
    Card("4000000000005423", is_suspected=True),
    Card("4000000000007726", refunds=RefundCourse.PENDING_THEN_SUCCEEDS),
    Card("4000000000005126", refunds=RefundCourse.SUCCEEDS_THEN_FAILS),
)
_BY_NUMBER = {card.number: card for card in _CARDS}


def find(typed: str) -> Card:
    """The test card with the typed number; spaces and hyphens are ignored. Raises `CardNumberRefused`."""
    number = typed.replace(" ", "").replace("-", "")
    if not number:
        raise CardNumberRefused("Your card number is incomplete.")
    if not (number.isascii() and number.isdigit() and passes_luhn(number)):
        raise CardNumberRefused("Your card number is invalid.")
    card = _BY_NUMBER.get(number)
    if card is None:
        raise CardNumberRefused(
            "Your card was declined. This is a simulator: it takes Stripe's test cards only."
        )
    return card


def passes_luhn(number: str) -> bool:
    """Return True if the last digit is the check digit of the others (ISO/IEC 7812)."""
    total = 0
    for position, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return len(number) >= 12 and total % 10 == 0
