"""Answer checkout.requests: with a session for the customer, or with the reason why there is none.

A request_id has one answer. What our rules or Stripe refuse is kept in a row, too, so the same message gets
the same answer even if the limit has ended or the user exists by then: another attempt is another request.

If the process dies
- before a row is committed: nothing happened;
- after it, before Stripe's answer is kept: see create.py;
- after the session or the refusal is kept: the outbox has the answer by the same commit.
In each case Kafka delivers the record again, and its answer is completed from there. An answer may be
published twice; both are the same.
"""

import time
from collections.abc import Sequence

from checkout.base import telemetry
from checkout.base.errors import (
    CheckoutError,
    Conflict,
    DataRefused,
    InvalidRequest,
    NotFound,
    RefusedBefore,
    StripeError,
    StripeKeyTaken,
    StripeRefusedForGood,
    TooManyRequests,
    Unavailable,
)
from checkout.base.postgres import Database, Transaction
from checkout.ledger import parking
from checkout.ledger.parked import Parked
from checkout.outbox.delivery import Delivery, enqueue
from checkout.outbox.fields import Unprocessable
from checkout.outbox.record import Record
from checkout.outbox.request_event import CheckoutRequestEvent, decoded
from checkout.outbox.table import Message
from checkout.payments import emissions
from checkout.payments.payment import Payment
from checkout.sessions import table
from checkout.sessions.create import CreateSession
from checkout.sessions.session_request import SessionRequest

REFUSALS = (
    *(InvalidRequest, NotFound, TooManyRequests, RefusedBefore),
    *(StripeRefusedForGood, StripeKeyTaken),
)
"""The answer is `failed`. A record that cannot be answered at all is parked."""


class AnswerRequests:
    def __init__(
        self,
        checkout: Database,
        application: Database,
        create_session: CreateSession,
        delivery: Delivery,
        *,
        origin: str,
        currency: str,
    ) -> None:
        """`origin` is where the customer comes back to, unless the request names a page."""
        self._checkout = checkout
        self._application = application
        self._create_session = create_session
        self._delivery = delivery
        self._origin = origin
        self._currency = currency

    def __call__(self, records: Sequence[Record], deadline: float) -> list[Record]:
        """Answer or park the records, each in a commit of its own. Returns those that must be delivered
        again.

        These are the records of a partition from the first for which Stripe or a database was away, and all
        that were not begun when time.monotonic() passed `deadline`.
        """
        again: list[Record] = []
        blocked = set()
        for record in records:
            if record.partition in blocked or time.monotonic() > deadline:
                again.append(record)
                continue
            try:
                self._settle(record)
            except (Unavailable, StripeError) as error:
                telemetry.logger.warning("a request must come again", extra={"reason": error.detail})
                if isinstance(error, StripeError):
                    telemetry.count("StripeErrors")
                blocked.add(record.partition)
                again.append(record)
        telemetry.count("RequestsDeferred", len(again))
        return again

    def _settle(self, record: Record) -> None:
        telemetry.uncorrelate()
        try:
            message = self._answered(record)
        except Unprocessable as reason:
            with self._application.transaction() as tx:
                parking.park(tx, [Parked(record, str(reason), effect=None)])
        else:
            self._delivery.at_once([message] if message else [])

    def _answered(self, record: Record) -> Message | None:
        """The answer, committed with the session or refusal that it reports; None if it is in the outbox
        already. Raises Unprocessable if there can never be one."""
        event = decoded(record.value, self._checkout.user_ids)
        telemetry.correlate(event.request_id)
        try:
            return self._answer(event)
        except Conflict as conflict:
            raise Unprocessable(conflict.detail) from conflict
        except DataRefused as refusal:
            raise Unprocessable(f"refused by the database: {refusal.detail}") from refusal

    def _answer(self, event: CheckoutRequestEvent) -> Message | None:
        """Raises Conflict if the request_id is another request's."""
        request = SessionRequest(
            user_id=event.user_id,
            amount_cents=event.amount_cents,
            currency=event.currency,
            request_id=event.request_id,
            purpose=event.purpose,
            success_url=event.success_url,
            cancel_url=event.cancel_url,
        )
        queued: list[Message | None] = []

        def put(tx: Transaction, row: Payment) -> None:
            answer = emissions.answer(row)
            queued.append(enqueue(tx, answer.effect_key, answer.event))

        try:
            row, is_new = self._create_session(request, self._origin, put)
        except REFUSALS as refusal:
            with self._checkout.transaction() as tx:
                put(tx, self._refuse(tx, request, refusal))
        else:
            if not is_new:
                with self._checkout.autocommit() as tx:
                    put(tx, row)
        return queued[-1]

    def _refuse(self, tx: Transaction, request: SessionRequest, refusal: CheckoutError) -> Payment:
        row = table.refuse(tx, request, request.currency or self._currency, refusal.detail)
        request.require_same(row)
        if not row.is_refused:
            raise Unavailable("Another process began the same request at this moment.")
        telemetry.logger.info("refused", extra={"detail": row.error_message})
        return row
