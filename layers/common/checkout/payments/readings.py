"""What a Stripe event says, with what Stripe says of its object now if that decides.

Stripe is asked before the transaction is opened, so no lock is held while it answers. An answer may come from
a moment before the event: then the event waits. One from a later moment does no harm, because effects are
keyed.
"""

from collections.abc import Callable
from typing import Any

from checkout.base import telemetry
from checkout.base.config import Config
from checkout.base.errors import InvalidRequest, StripeObjectMissing, StripeRefusedForGood
from checkout.base.postgres import Database
from checkout.base.text import identifier
from checkout.outbox.effects import TOP_UP
from checkout.payments import reversal_event, session_event
from checkout.payments import table as payments_table
from checkout.payments.reversal_event import ReversalReport, Reversed
from checkout.payments.session_event import SessionReport
from checkout.payments.stripe_api import API_VERSION, StripeApi
from checkout.payments.stripe_event import StripeEvent
from checkout.payments.verdicts import Behind, Held, Ignored, NotOurs, Waiting

HANDLED = session_event.HANDLED | reversal_event.HANDLED
UNHANDLED = "a type that nothing here depends on"
BEHIND = "what Stripe answers is older than this event"

Reading = SessionReport | ReversalReport | Ignored | Held | Waiting
Resource = dict[str, Any]


class Readings:
    def __init__(self, checkout: Database, stripe: StripeApi, config: Config) -> None:
        self._checkout = checkout
        self._stripe = stripe
        self._config = config

    def of(self, event: StripeEvent, *, is_asked: bool = False) -> Reading:
        """`is_asked` reads a session at Stripe, and does not believe the signed body. Raises StripeError."""
        try:
            return self._of(event, is_asked=is_asked)
        except StripeObjectMissing:
            # With a context it came from an organisation, whose other accounts our key does not know.
            return (
                Ignored("of another account") if event.context else Behind("Stripe knows no such object yet")
            )
        except StripeRefusedForGood as refusal:
            return Held(f"Stripe refuses to give its object: {refusal.detail}")
        except (Ignored, Held, Waiting) as verdict:
            return verdict

    def of_object(self, object_id: str) -> ReversalReport:
        """A refund, a dispute, or all of a payment intent, as Stripe has them now.

        Raises InvalidRequest, StripeError, and Ignored or Held for what is not ours or makes no sense.
        """
        match object_id.partition("_")[0]:
            case "re" | "pyr":
                return self._of_one(self._stripe.refund(object_id), reversal_event.of_refund)
            case "du" | "dp":
                return self._of_one(self._stripe.dispute(object_id), reversal_event.of_dispute)
            case "pi":
                self._require_top_up(object_id)
                refunds = map(reversal_event.of_refund, self._stripe.refunds_of(object_id))
                disputes = map(reversal_event.of_dispute, self._stripe.disputes_of(object_id))
                return ReversalReport(object_id, (*refunds, *disputes))
            case _:
                raise InvalidRequest(
                    "It must be the id of a refund (re_…, pyr_…), of a dispute (du_…, dp_…) or of a payment"
                    " intent (pi_…)."
                )

    def _of_one(self, resource: Resource, reverse: Callable[[Resource], Reversed]) -> ReversalReport:
        payment_intent_id = _payment_intent_of(resource)
        self._require_top_up(payment_intent_id)
        one = reverse(resource)
        return ReversalReport(payment_intent_id, (one,), one.object_id)

    def _of(self, event: StripeEvent, *, is_asked: bool) -> SessionReport | ReversalReport:
        if event.is_thin:
            raise Ignored("a thin event, which says nothing of its own")
        if event.account is not None:
            raise Ignored("of a connected account")
        if event.type in session_event.HANDLED:
            return self._session(event, is_asked=is_asked or bool(event.context))
        if event.type in reversal_event.HANDLED:
            return self._reversal(event)
        raise Ignored(UNHANDLED)

    def _session(self, event: StripeEvent, *, is_asked: bool) -> SessionReport:
        session = event.object
        self._require_ours(session)
        self._require_our_mode(event)
        is_read = is_asked or _is_of_another_version(event)
        if is_read:
            session = self._stripe.session(_id_of(event))
            if session_event.is_behind(session, event.object):
                raise Behind(BEHIND)
            if not self._is_ours(session):
                raise Held("Stripe has the session as another application's")
        return _reported(event.type, session, is_read=is_read)

    def session(self, event_type: str, session: Resource) -> SessionReport:
        """What Stripe has just answered, as if an event of this type had told it. Raises Ignored or Held."""
        self._require_ours(session)
        return _reported(event_type, session, is_read=True)

    def _reversal(self, event: StripeEvent) -> ReversalReport:
        payment_intent_id = session_event.payment_intent_of(event.object)
        if payment_intent_id is None:
            raise Ignored("without a payment intent, so no checkout of ours")
        # First of all: with the key of the other mode Stripe would know neither the payment nor the refund.
        self._require_our_mode(event)
        self._require_top_up(payment_intent_id)
        subject = reversal_event.subject_of(event.type, event.object)
        return ReversalReport(payment_intent_id, self._objects(event, payment_intent_id), subject)

    def _objects(self, event: StripeEvent, payment_intent_id: str) -> tuple[Reversed, ...]:
        if event.type in reversal_event.CHARGE_EVENTS:
            refunds = self._stripe.refunds_of(payment_intent_id)
            if reversal_event.refunds_are_behind(refunds, event.object):
                raise Behind(BEHIND)
            return tuple(map(reversal_event.of_refund, refunds))
        is_dispute = event.type in reversal_event.DISPUTE_EVENTS
        answer = (self._stripe.dispute if is_dispute else self._stripe.refund)(_id_of(event))
        is_behind = reversal_event.dispute_is_behind if is_dispute else reversal_event.refund_is_behind
        if session_event.payment_intent_of(answer) not in (None, payment_intent_id):
            raise Held("Stripe has it of another payment")
        if is_behind(answer, event.object):
            raise Behind(BEHIND)
        return (reversal_event.of_dispute(answer) if is_dispute else reversal_event.of_refund(answer),)

    def _require_top_up(self, payment_intent_id: str) -> None:
        """Refunds and disputes carry no metadata of ours: our row says whose it is, or else Stripe's payment
        intent."""
        with self._checkout.autocommit() as tx:
            row = payments_table.find_payment(tx, payment_intent_id)
        if row is not None:
            telemetry.correlate(row.request_id)
            purpose = row.purpose
        else:
            intent = self._stripe.payment_intent(payment_intent_id)
            if not session_event.is_ours(intent, self._config.app_id):
                raise NotOurs(session_event.app_of(intent))
            purpose = str(intent["metadata"].get("purpose", TOP_UP))
        if purpose != TOP_UP:
            raise Ignored("its payment is for another purpose than the balance")

    def _require_ours(self, session: Resource) -> None:
        if not self._is_ours(session):
            raise NotOurs(session_event.app_of(session))

    def _is_ours(self, session: Resource) -> bool:
        """Also of a session that was begun here under another CHECKOUT_APP_ID than today's."""
        if session_event.is_ours(session, self._config.app_id):
            return True
        session_id = identifier(session.get("id"))
        if session_id is None or session_event.app_of(session) is None:
            return False
        with self._checkout.autocommit() as tx:
            return payments_table.find_session(tx, session_id) is not None

    def _require_our_mode(self, event: StripeEvent) -> None:
        if event.livemode != self._config.stripe_livemode():
            raise Held("livemode is not the mode of our key")


def _reported(event_type: str, session: Resource, *, is_read: bool) -> SessionReport:
    reported = session_event.report(event_type, session, is_read=is_read)
    telemetry.correlate(reported.request_id)
    return reported


def _is_of_another_version(event: StripeEvent) -> bool:
    """Described under another API version than ours, so the object is read again, in the one we know."""
    return event.api_version not in (None, API_VERSION)


def _id_of(event: StripeEvent) -> str:
    resource_id = identifier(event.object.get("id"))
    if resource_id is None:
        raise Held("the object has no usable id")
    return resource_id


def _payment_intent_of(resource: Resource) -> str:
    payment_intent_id = session_event.payment_intent_of(resource)
    if payment_intent_id is None:
        raise Ignored("without a payment intent, so no checkout of ours")
    return payment_intent_id
