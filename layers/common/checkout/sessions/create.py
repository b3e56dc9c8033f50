"""Create a Checkout session: the row first, then Stripe, then the row again.

If the process dies
- before the row is committed: nothing happened;
- after it, before Stripe answered: the row is `session_pending`, and Stripe may have a session that nobody
  can have paid, since nobody was given its URL. The same request_id asks Stripe again with the same
  idempotency key and the stored parameters, and gets that same session;
- after Stripe answered, before the session is stored: likewise;
- after it is stored: the same request_id is answered from the row.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from checkout.base import currencies, telemetry
from checkout.base.config import Config
from checkout.base.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    RefusedBefore,
    StripeError,
    StripeKeyInUse,
    StripeKeyTaken,
    StripeObjectMissing,
    StripeOutcomeUnknown,
    StripeRefused,
    StripeRefusedField,
)
from checkout.base.postgres import Database, Transaction
from checkout.base.redirects import is_relative, origin_of
from checkout.base.text import positive_bigint, shortened, uuid_in_lower_case
from checkout.ledger import table as ledger
from checkout.outbox.effects import TOP_UP
from checkout.payments import table as payments_table
from checkout.payments.payment import Payment
from checkout.payments.stripe_api import StripeApi
from checkout.sessions import limits, table

KEY_IN_USE_PATIENCE_SECONDS = 8
KEY_IN_USE_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What a caller asks for. None = not said: a fresh request_id, the balance's currency, our own page.

    Only a service can name a purpose or where the customer comes back to. `customer_email` is the user's own,
    which Stripe's page then shows; it does not make a request another one.
    """

    user_id: int
    amount_cents: int
    currency: str | None
    request_id: str | None
    purpose: str = TOP_UP
    success_url: str | None = None
    cancel_url: str | None = None
    customer_email: str | None = None

    @classmethod
    def of(
        cls, fields: Mapping[str, object], user_id: int | None, config: Config, email: str | None = None
    ) -> "SessionRequest":
        """From a body, which names the user if `user_id` is None; `email` is that user's.

        Raises InvalidRequest, naming the field.
        """
        request_id = uuid_in_lower_case(fields.get("request_id"))
        if request_id is None and fields.get("request_id") is not None:
            raise InvalidRequest("request_id must be a UUID in the 8-4-4-4-12 form.")
        # First, so that whatever else is wrong is told with it.
        telemetry.correlate(request_id)
        allowed = {"amount_cents", "currency", "request_id"} | ({"user_id"} if user_id is None else set())
        unknown = sorted(fields.keys() - allowed)
        if unknown:
            raise InvalidRequest(
                f"{shortened(unknown[0])!a} is not a field of this request; allowed:"
                f" {', '.join(sorted(allowed))}."
            )
        if user_id is None:
            user_id = positive_bigint(fields.get("user_id"))
            if user_id is None:
                raise InvalidRequest("user_id must be an integer from 1 to 2^63-1.")
        amount_cents = positive_bigint(fields.get("amount_cents"))
        if amount_cents is None:
            raise InvalidRequest(_amount_rule(config))
        currency = fields.get("currency")
        if currency is not None and not isinstance(currency, str):
            raise InvalidRequest(_currency_rule(config))
        return cls(user_id, amount_cents, currency and currency.lower(), request_id, customer_email=email)


def _amount_rule(config: Config) -> str:
    step = currencies.step(config.currency)
    what = "an integer" if step == 1 else f"a multiple of {step}"
    return (
        f"amount_cents must be {what} from {config.min_amount_cents} to {config.max_amount_cents}"
        f" (minor units of {config.currency})."
    )


def _currency_rule(config: Config) -> str:
    return f"currency must be {config.currency!r}, the currency of the balance."


InSameCommit = Callable[[Transaction, Payment], None]


def _nothing_more(_cursor: Transaction, _row: Payment) -> None:
    return


class CreateSession:
    def __init__(self, checkout: Database, application: Database, stripe: StripeApi, config: Config) -> None:
        self._checkout = checkout
        self._application = application
        self._stripe = stripe
        self._config = config

    def __call__(
        self, request: SessionRequest, origin: str, also: InSameCommit = _nothing_more
    ) -> tuple[Payment, bool]:
        """The row with its session, and whether that is new: then, and only then, `also` was called in the
        transaction that stored it. `origin` is where Stripe sends the browser.

        Raises InvalidRequest, NotFound (no such user), Conflict (the request_id stands for something else),
        TooManyRequests, StripeError (the same request_id may be tried again) and DatabaseUnavailable.
        """
        request_id = request.request_id or str(uuid4())
        telemetry.correlate(request_id)
        with self._checkout.transaction() as tx:
            row = payments_table.find(tx, request_id)
        if row is None:
            self._admit(request)
            with self._checkout.transaction() as tx:
                row = self._insert(tx, request, request_id, origin)
        require_same(row, request)
        if row.stripe_session_id is not None:
            return row, False
        return self._with_session(row, also)

    def _admit(self, request: SessionRequest) -> None:
        config = self._config
        for field, text in (("request_id", request.request_id), ("purpose", request.purpose)):
            if text is not None and text != text.strip():
                # Its payment would come back under another name.
                raise InvalidRequest(f"{field} must not begin or end with a blank: Stripe cuts it off.")
        is_in_range = config.min_amount_cents <= request.amount_cents <= config.max_amount_cents
        if not is_in_range or request.amount_cents % currencies.step(config.currency):
            raise InvalidRequest(_amount_rule(config))
        if request.currency not in (None, config.currency):
            raise InvalidRequest(_currency_rule(config))
        for field, url in (("success_url", request.success_url), ("cancel_url", request.cancel_url)):
            address = _absolute(url)
            if address is not None and origin_of(address) not in config.redirect_origins:
                raise InvalidRequest(f"{field} must be on PUBLIC_ORIGIN or one of ALLOWED_REDIRECT_ORIGINS.")
        with self._application.transaction() as tx:
            if not ledger.user_exists(tx, request.user_id):
                raise NotFound("There is no such user.")

    def _insert(self, tx: Transaction, request: SessionRequest, request_id: str, origin: str) -> Payment:
        table.lock_user(tx, request.user_id)
        known = payments_table.find(tx, request_id)
        if known is not None:
            return known
        limits.enforce(tx, self._config, request.user_id, request.amount_cents)
        return table.insert_pending(
            tx,
            request_id=request_id,
            user_id=request.user_id,
            amount_cents=request.amount_cents,
            currency=self._config.currency,
            purpose=request.purpose,
            stripe_parameters=stripe_parameters(
                app_id=self._config.app_id,
                request_id=request_id,
                user_id=request.user_id,
                amount_cents=request.amount_cents,
                currency=self._config.currency,
                purpose=request.purpose,
                success_url=_absolute(request.success_url)
                or f"{origin}/balance?status=success&session_id={{CHECKOUT_SESSION_ID}}",
                cancel_url=_absolute(request.cancel_url) or f"{origin}/balance?status=cancel",
                customer_email=request.customer_email,
            ),
        )

    def complete(self, row: Payment) -> None:
        """Ask Stripe for the session of a row that has none yet. Raises as a call does."""
        self._with_session(row)

    def _with_session(self, row: Payment, also: InSameCommit = _nothing_more) -> tuple[Payment, bool]:
        _require_not_refused(row)
        if row.stripe_parameters is None:
            raise Conflict("This request_id belongs to a payment that was not begun here.")
        give_up_at = time.monotonic() + KEY_IN_USE_PATIENCE_SECONDS
        while True:
            try:
                session = self._stripe.create_session(row.stripe_parameters, row.idempotency_key)
                break
            except StripeKeyInUse:
                if time.monotonic() > give_up_at:
                    raise
            except StripeError as error:
                self._failed(row, error)
                raise
            time.sleep(KEY_IN_USE_PAUSE_SECONDS)
            with self._checkout.transaction() as tx:
                meanwhile = payments_table.find(tx, row.request_id)
            if meanwhile is not None and meanwhile.stripe_session_id is not None:
                return meanwhile, False
        with self._checkout.transaction() as tx:
            stored = table.session_created(
                tx,
                row.request_id,
                session_id=session.id,
                url=session.url,
                expires_at=session.expires_at,
            )
            _require_not_refused(stored)
            also(tx, stored)
        telemetry.count("SessionsCreated")
        telemetry.logger.info("session created", extra={"session_id": stored.stripe_session_id})
        return stored, True

    def _failed(self, row: Payment, error: StripeError) -> None:
        """An answer burns the idempotency key. Without one the row stays `session_pending`.

        Refused for good is what no attempt can change. A taken key is not replaced by the next one: the row
        may be remade after a restore, and the key's session, paid perhaps, is this request's. Its payment
        still finds the row, and must find it without another session.
        """
        if isinstance(error, StripeOutcomeUnknown):
            return
        answered = isinstance(error, StripeRefused | StripeObjectMissing)
        with self._checkout.transaction() as tx:
            table.session_failed(
                tx,
                row.request_id,
                attempt=row.stripe_attempt,
                error_message=error.detail,
                next_attempt=row.stripe_attempt + 1 if answered else row.stripe_attempt,
                for_good=isinstance(error, StripeRefusedField | StripeKeyTaken),
            )


def _absolute(url: str | None) -> str | None:
    return None if url is None or is_relative(url) else url


def _require_not_refused(row: Payment) -> None:
    if row.is_refused:
        raise RefusedBefore(f"This request was refused; begin another one. {row.error_message}")


def require_same(row: Payment, request: SessionRequest) -> None:
    """Raises Conflict where the request_id stands for another request."""
    if (
        row.user_id != request.user_id
        or row.amount_cents != request.amount_cents
        or request.currency not in (None, row.currency)
        or row.purpose != request.purpose
    ):
        raise Conflict("This request_id was used for another request.")


def stripe_parameters(
    *,
    app_id: str,
    request_id: str,
    user_id: int,
    amount_cents: int,
    currency: str,
    success_url: str,
    cancel_url: str,
    purpose: str,
    customer_email: str | None = None,
) -> dict[str, Any]:
    """https://docs.stripe.com/api/checkout/sessions/create, for one payment of one amount.

    The hosted page says whose account it is for, so nobody pays into another one unawares.
    """
    metadata = {
        "checkout_app": app_id,
        "request_id": request_id,
        "user_id": str(user_id),
        "purpose": purpose,
    }
    return {
        "mode": "payment",
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency,
                    "unit_amount": amount_cents,
                    "product_data": {
                        "name": "Balance top-up" if purpose == TOP_UP else "Payment",
                        "description": f"For account {user_id}",
                    },
                },
            }
        ],
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "adaptive_pricing": {"enabled": False},
        "success_url": success_url,
        "cancel_url": cancel_url,
        **({"customer_email": customer_email} if customer_email else {}),
    }
