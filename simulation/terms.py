"""What the application of a world sells: what a payment credits, how it is taxed, and how much a user may
begin to pay. It is computed here anew, from the settings alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from random import Random


@dataclass(frozen=True, slots=True)
class Terms:
    """`offers` are credits by amount; any other amount credits `per_cent` a cent. Amounts are minor units."""

    offers: Mapping[int, int] = field(default_factory=dict)
    offers_only: bool = False
    per_cent: Fraction = Fraction(1)
    tax_percent: int = 0
    """On top of the price."""
    has_discounts: bool = False
    session_minutes: int | None = None
    most_open: int | None = None
    most_a_day: int | None = None
    most_cents_a_day: int | None = None
    four_eyes_cents: int | None = None
    """What one operator may give back alone."""

    @property
    def is_plain(self) -> bool:
        """What is paid is what is credited."""
        return self.per_cent == 1 and not (self.offers or self.tax_percent or self.has_discounts)

    @property
    def is_limited(self) -> bool:
        return (self.most_open, self.most_a_day, self.most_cents_a_day) != (None, None, None)

    @property
    def settings(self) -> dict[str, str]:
        offers = [{"amount_cents": amount, "credit_cents": credit} for amount, credit in self.offers.items()]
        given = {
            "PRICES": json.dumps(offers) if offers else None,
            "PRICES_ONLY": "true" if self.offers_only else None,
            "CREDIT_PER_CENT": str(self.per_cent),
            "SESSION_EXPIRES_IN_MINUTES": self.session_minutes,
            "MAX_OPEN_SESSIONS_PER_HOUR": self.most_open,
            "DAILY_COUNT_LIMIT": self.most_a_day,
            "DAILY_AMOUNT_CENTS_LIMIT": self.most_cents_a_day,
            "FOUR_EYES_CENTS": self.four_eyes_cents,
        }
        return {name: str(value) for name, value in given.items() if value is not None}

    def sells(self, amount: int) -> bool:
        return not self.offers_only or amount in self.offers

    def promised(self, amount: int) -> int:
        """What an amount that is asked for credits."""
        return self.offers.get(amount, int(amount * self.per_cent))

    def credit(self, asked: int, subtotal: int) -> int:
        """Of a session that was asked for one amount, and came to another before tax and discount."""
        return self.promised(asked) * subtotal // asked


PLAIN = Terms()
PRICED = (
    Terms(offers={500: 550, 1000: 1200}),
    Terms(offers={500: 600, 700: 900}, offers_only=True),
    Terms(per_cent=Fraction(1, 3)),
    Terms(per_cent=Fraction(7), tax_percent=19),
    Terms(tax_percent=19),
    Terms(tax_percent=19, has_discounts=True),
    Terms(per_cent=Fraction(1, 7), has_discounts=True),
)
LIMITED = (
    Terms(most_open=1),
    Terms(most_a_day=2),
    Terms(most_cents_a_day=1200),
    Terms(most_open=2, most_a_day=3, most_cents_a_day=2000),
)
SHORT = Terms(session_minutes=31)
FOUR_EYES_CENTS = 700


def some(random: Random) -> Terms:
    """Mostly plain ones."""
    chosen = random.random()
    if chosen < 0.25:
        return random.choice(PRICED)
    if chosen < 0.35:
        return random.choice(LIMITED)
    return SHORT if chosen < 0.5 else PLAIN
