"""Create a Checkout session: admit the request, remember it, ask Stripe, keep the answer.

If the process dies
- before the row is remembered: nothing happened;
- after it, before Stripe answered: the row is `session_pending`, and Stripe may have a session that nobody
  can have paid, since nobody was given its URL. The same request_id asks Stripe again with the same
  idempotency key and the stored parameters, and gets that same session;
- after Stripe answered, before the session is kept: likewise;
- after it is kept: the same request_id is answered from the row.

If another process begins a payment of the same user, or the same request, after the limits were read, the row
is not remembered: both are read again. If it asks Stripe for the same request, the first session that is kept
stays, and both answer with it.
"""

import time
from collections.abc import Callable
from typing import Any

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import (
    Conflict,
    RefusedBefore,
    StripeError,
    StripeKeyInUse,
    StripeKeyTaken,
    StripeObjectMissing,
    StripeOutcomeUnknown,
    StripeRefused,
    StripeRefusedField,
    StripeRefusedForGood,
    UnknownUser,
)
from checkout.base.postgres import Database, Transaction
from checkout.base.request_ids import new_request_id
from checkout.base.user_ids import UserId
from checkout.ledger import table as ledger
from checkout.payments import key_in_use
from checkout.payments import table as payments_table
from checkout.payments.payment import Payment
from checkout.payments.stripe_api import CreatedSession, StripeApi
from checkout.sessions import limits, table
from checkout.sessions.limits import Usage
from checkout.sessions.session_request import SessionRequest
from checkout.sessions.stripe_parameters import expiry, stripe_parameters

InSameCommit = Callable[[Transaction, Payment], None]


class CreateSession:
    def __init__(self, checkout: Database, application: Database, stripe: StripeApi, config: Config) -> None:
        self._checkout = checkout
        self._application = application
        self._stripe = stripe
        self._config = config

    def __call__(
        self, request: SessionRequest, origin: str, also: InSameCommit | None = None
    ) -> tuple[Payment, bool]:
        """The payment with its session, and True if that is new: then, and only then, `also` was called in
        the transaction that keeps it. `origin` is where Stripe sends the browser back to.

        Raises InvalidRequest, UnknownUser, Conflict (the request_id stands for something else),
        TooManyRequests, StripeError (the same request_id may be tried again) and DatabaseUnavailable.
        """
        request_id = request.request_id or new_request_id()
        telemetry.correlate(request_id)
        row, usage = self._read(request_id, request.user_id)
        while row is None:
            self._admit(request, usage)
            row = self._remember(request, request_id, origin, usage)
            if row is None:
                row, usage = self._read(request_id, request.user_id)
        request.require_same(row)
        if row.stripe_session_id is not None:
            return row, False
        session = self._ask(row)
        if isinstance(session, Payment):
            return session, False
        return self._keep(row, session, also), True

    def complete(self, row: Payment) -> None:
        """Ask Stripe for the session of a row that has none yet. Raises as a call does."""
        session = self._ask(row)
        if isinstance(session, CreatedSession):
            self._keep(row, session, None)

    def _read(self, request_id: str, user_id: UserId) -> tuple[Payment | None, Usage]:
        with self._checkout.autocommit() as tx:
            return table.find_with_usage(tx, request_id, user_id)

    def _admit(self, request: SessionRequest, usage: Usage) -> None:
        request.require_allowed(self._config)
        with self._application.autocommit() as tx:
            if not ledger.user_exists(tx, request.user_id):
                raise UnknownUser
        limits.enforce(usage, self._config, request.amount_cents)

    def _remember(
        self, request: SessionRequest, request_id: str, origin: str, usage: Usage
    ) -> Payment | None:
        """The row, committed; None if it must be read again who has the request_id, or what the user has
        begun."""
        price = request.price(self._config)
        parameters = stripe_parameters(
            request, request_id, price, self._config, origin=origin, now=time.time()
        )
        with self._checkout.autocommit() as tx:
            return table.insert_pending(
                tx,
                request,
                request_id,
                credit_cents=price.credit_cents,
                currency=self._config.currency,
                parameters=parameters,
                latest_id=usage.latest_id,
            )

    def _ask(self, row: Payment) -> CreatedSession | Payment:
        """Stripe's session for the row; or the row, if another process has meanwhile kept one in it."""
        _require_not_refused(row)
        if row.stripe_parameters is None:
            raise Conflict("This request_id belongs to a payment that was not begun here.")
        if row.stripe_parameters.get("expires_at", 0) is None:
            with self._checkout.autocommit() as tx:
                row = table.renew_expiry(tx, row.request_id, expiry(self._config, time.time()))
            _require_not_refused(row)  # Another process may have been told so meanwhile.
        return self._create(row, row.stripe_parameters or {})

    def _create(self, row: Payment, parameters: dict[str, Any]) -> CreatedSession | Payment:
        def kept_meanwhile() -> Payment | None:
            with self._checkout.autocommit() as tx:
                found = payments_table.find(tx, row.request_id)
            return None if found is None or found.stripe_session_id is None else found

        def ask() -> CreatedSession | Payment:
            return self._stripe.create_session(parameters, row.idempotency_key)

        try:
            return key_in_use.wait_out(ask, kept_meanwhile)
        except StripeKeyInUse:
            raise
        except StripeError as error:
            self._keep_failure(row, error)
            raise

    def _keep(self, row: Payment, session: CreatedSession, also: InSameCommit | None) -> Payment:
        with self._checkout.transaction() if also else self._checkout.autocommit() as tx:
            kept = table.session_created(tx, row.request_id, session)
            _require_not_refused(kept)
            if also:
                also(tx, kept)
        telemetry.count("SessionsCreated")
        telemetry.logger.info("session created", extra={"session_id": kept.stripe_session_id})
        return kept

    def _keep_failure(self, row: Payment, error: StripeError) -> None:
        """An answer uses the idempotency key up. Without one the row stays `session_pending`.

        A request is refused for good if no attempt can succeed. A taken key is not replaced by the next one:
        the row may have been made again after a restore, and the key's session, which may be paid, is this
        request's. Its payment still finds the row, and must find it without another session.
        """
        if isinstance(error, StripeOutcomeUnknown):
            return
        answered = isinstance(error, StripeRefused | StripeObjectMissing)
        with self._checkout.autocommit() as tx:
            table.session_failed(
                tx,
                row.request_id,
                attempt=row.stripe_attempt,
                error_message=error.detail,
                next_attempt=row.stripe_attempt + 1 if answered else row.stripe_attempt,
                for_good=_is_for_good(error, row.stripe_attempt),
            )


def _is_for_good(error: StripeError, attempt: int) -> bool:
    """True if no later attempt can succeed. A first refusal may be about the email, the only parameter that
    later attempts omit."""
    if isinstance(error, StripeRefusedField | StripeKeyTaken):
        return True
    return isinstance(error, StripeRefusedForGood) and attempt > 1


def _require_not_refused(row: Payment) -> None:
    if row.is_refused:
        raise RefusedBefore(f"This request was refused; begin another one. {row.refusal}")
