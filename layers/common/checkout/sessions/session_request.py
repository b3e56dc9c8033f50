"""What a caller asks for when a session is to be created, and the rules for it. Pure, except that what is
logged from then on carries the request_id."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from checkout.base import currencies, telemetry
from checkout.base.config import Config
from checkout.base.errors import Conflict, InvalidRequest
from checkout.base.redirects import is_relative, origin_of
from checkout.base.text import positive_bigint, shortened, uuid_in_lower_case
from checkout.base.user_ids import UserId
from checkout.outbox.effects import TOP_UP
from checkout.payments.payment import Payment
from checkout.payments.price import Price


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """None stands for a fresh request_id, the balance's currency, and our own page.

    Only a service can name a purpose or where the customer comes back to. `customer_email` is the user's own,
    which Stripe's page then shows; another email does not make another request.
    """

    user_id: UserId
    amount_cents: int
    currency: str | None
    request_id: str | None
    purpose: str = TOP_UP
    success_url: str | None = None
    cancel_url: str | None = None
    customer_email: str | None = None

    @classmethod
    def of(
        cls, fields: Mapping[str, object], user_id: UserId | None, config: Config, email: str | None = None
    ) -> "SessionRequest":
        """The request in an HTTP body, which names the user if `user_id` is None; `email` is that user's.

        Raises InvalidRequest, naming the field.
        """
        request_id = uuid_in_lower_case(fields.get("request_id"))
        if request_id is None and fields.get("request_id") is not None:
            raise InvalidRequest("request_id must be a UUID in the 8-4-4-4-12 form.")
        # Correlate first, so later errors carry the request_id.
        telemetry.correlate(request_id)
        allowed = {"amount_cents", "currency", "request_id"} | ({"user_id"} if user_id is None else set())
        unknown = sorted(fields.keys() - allowed)
        if unknown:
            raise InvalidRequest(
                f"{shortened(unknown[0])!a} is not a field of this request; allowed:"
                f" {', '.join(sorted(allowed))}."
            )
        if user_id is None:
            user_id = config.user_ids.from_json(fields.get("user_id"))
            if user_id is None:
                raise InvalidRequest(f"user_id must be {config.user_ids.rule}.")
        amount_cents = positive_bigint(fields.get("amount_cents"))
        if amount_cents is None:
            raise InvalidRequest(_amount_rule(config))
        currency = fields.get("currency")
        if currency is not None and not isinstance(currency, str):
            raise InvalidRequest(_currency_rule(config))
        return cls(user_id, amount_cents, currency and currency.lower(), request_id, customer_email=email)

    def require_allowed(self, config: Config) -> None:
        """Raises InvalidRequest, naming the field."""
        for field, text in (("request_id", self.request_id), ("purpose", self.purpose)):
            if text is not None and text != text.strip():
                # Its payment would come back under another name.
                raise InvalidRequest(f"{field} must not begin or end with a blank: Stripe cuts it off.")
        is_in_range = config.min_amount_cents <= self.amount_cents <= config.max_amount_cents
        if not is_in_range or self.amount_cents % currencies.step(config.currency):
            raise InvalidRequest(_amount_rule(config))
        if self.currency not in (None, config.currency):
            raise InvalidRequest(_currency_rule(config))
        self.price(config)
        for field, url in (("success_url", self.success_url), ("cancel_url", self.cancel_url)):
            address = absolute(url)
            if address is not None and origin_of(address) not in config.redirect_origins:
                raise InvalidRequest(f"{field} must be on PUBLIC_ORIGIN or one of ALLOWED_REDIRECT_ORIGINS.")

    def price(self, config: Config) -> Price:
        """What it costs and credits. With another purpose than the balance nothing is credited, and the two
        are the same. Raises InvalidRequest if the price list refuses it, or if it credits nothing."""
        if self.purpose != TOP_UP:
            return Price(self.amount_cents, self.amount_cents)
        for offer in config.offers:
            if offer.amount_cents == self.amount_cents:
                return Price(offer.amount_cents, offer.credit_cents)
        if config.offers_only:
            listed = ", ".join(str(offer.amount_cents) for offer in config.offers)
            error = InvalidRequest(f"amount_cents must be one of {listed}.")
            error.more["prices"] = [asdict(offer) for offer in config.offers]
            raise error
        credit_cents = int(self.amount_cents * config.credit_per_cent)
        if credit_cents < 1:
            least = math.ceil(1 / config.credit_per_cent)
            raise InvalidRequest(f"amount_cents must be at least {least}: less credits nothing.")
        return Price(self.amount_cents, credit_cents)

    def require_same(self, row: Payment) -> None:
        """Raises Conflict if the row of this request_id is another request's."""
        if (
            row.user_id != self.user_id
            or row.amount_cents != self.amount_cents
            or self.currency not in (None, row.currency)
            or row.purpose != self.purpose
        ):
            raise Conflict("This request_id was used for another request.")


def absolute(url: str | None) -> str | None:
    """None for a URL that is missing or relative: our own page takes its place."""
    return None if url is None or is_relative(url) else url


def _amount_rule(config: Config) -> str:
    step = currencies.step(config.currency)
    what = "an integer" if step == 1 else f"a multiple of {step}"
    return (
        f"amount_cents must be {what} from {config.min_amount_cents} to {config.max_amount_cents}"
        f" (minor units of {config.currency})."
    )


def _currency_rule(config: Config) -> str:
    return f"currency must be {config.currency!r}, the currency of the balance."
